/** How the command line shows things. What is printed here cannot move a terminal's cursor. */
import { escapeForDisplay } from '../text/escape.js';

/** Longest cell: a configuration path may be long, no sensible text is longer. */
const CELL_MAX = 256;

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Text of several lines, with everything that a terminal would interpret escaped. */
export function printable(text: string): string {
  return text
    .split('\n')
    .map(line =>
      line.replace(
        /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
        character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
      ),
    )
    .join('\n');
}

/** A table with its headings; every cell is escaped, an empty one shows as `-`. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const lines = [
    headings,
    ...rows.map(row =>
      row.map(cell => (cell === '' ? '-' : escapeForDisplay(String(cell), CELL_MAX))),
    ),
  ];
  const widths = headings.map((_, column) =>
    Math.max(...lines.map(line => (line[column] ?? '').length)),
  );
  return lines
    .map(line =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes with three digits or so: `17 B`, `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** Milliseconds in the two largest applicable units: `12 s`, `3 min 5 s`, `2 d 4 h`. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
}

/** Microseconds; empty for 0, which stands for "not measured yet". */
export function formatRoundTrip(microseconds: number): string {
  if (microseconds === 0) return '';
  return microseconds < 1000 ? `${microseconds} us` : `${(microseconds / 1000).toFixed(1)} ms`;
}
