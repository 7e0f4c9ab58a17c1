/** Parses and formats sizes and durations. Pure; binary units only, so that 1KiB is never 1000. */

const SIZE_UNITS = { GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024 } as const;
const DURATION_UNITS = { m: 60_000, s: 1000, ms: 1, us: 0.001 } as const;

/** Bytes of `65536`, `"65536"`, `64KiB`, `2MiB`, `1GiB`; undefined for anything else or over 2^53-1. */
export function parseSize(value: number | string): number | undefined {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = /^([0-9]{1,16})(KiB|MiB|GiB)?$/.exec(value);
  if (match === null) return undefined;
  const unit = match[2] as keyof typeof SIZE_UNITS | undefined;
  const bytes = Number(match[1]) * (unit === undefined ? 1 : SIZE_UNITS[unit]);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds of `500ms`, `4s`, `2m`, `200us` (0.2); undefined for anything else. A unit is always needed. */
export function parseDuration(value: string): number | undefined {
  const match = /^([0-9]{1,12})(us|ms|s|m)$/.exec(value);
  if (match === null) return undefined;
  const milliseconds = Number(match[1]) * DURATION_UNITS[match[2] as keyof typeof DURATION_UNITS];
  return milliseconds <= Number.MAX_SAFE_INTEGER ? milliseconds : undefined;
}

/** Bytes in the largest unit that divides them: `512KiB`, or `1000` where none does. */
export function formatSize(bytes: number): string {
  return inUnits(bytes, SIZE_UNITS) ?? `${bytes}`;
}

/** Milliseconds in the largest unit that divides them: `4s`, `2m`, `1500ms`. */
export function formatDuration(milliseconds: number): string {
  return inUnits(milliseconds, DURATION_UNITS) ?? '0s';
}

/** `units` from the largest to the smallest; undefined for 0 or where none divides. */
function inUnits(value: number, units: Readonly<Record<string, number>>): string | undefined {
  if (value === 0) return undefined;
  for (const [unit, size] of Object.entries(units)) {
    if (value % size === 0) return `${value / size}${unit}`;
  }
  return undefined;
}
