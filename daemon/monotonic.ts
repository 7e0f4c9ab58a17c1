/**
 * CLOCK_MONOTONIC in milliseconds: never goes back, and is the same in all processes of a system (but for those in a
 * time namespace of their own).
 */
export function monotonicNow(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
