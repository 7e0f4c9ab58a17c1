/** How long to wait before something that failed is tried again. Pure. */

const FIRST_MS = 100;
const LONGEST_MS = 5_000;

/** Doubles with each consecutive failure, up to five seconds; up to a quarter less, by `random` (0..1). */
export function retryDelay(failures: number, random: number): number {
  const full = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS);
  return full * (1 - random / 4);
}

/** Up for this long, a link is stable: back-off starts over. */
export const SETTLED_MS = 10_000;
