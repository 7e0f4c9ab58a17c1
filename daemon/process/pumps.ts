/** The number of pumps if the configuration says `auto`. */

const CPUS_FOR_MORE = 8;
const CPUS_EACH = 4;
const MOST = 4;

/** One pump leaves the other CPUs of a small guest to its programs. */
export function pumpCount(wanted: number | 'auto', cpus: number): number {
  if (wanted !== 'auto') return wanted;
  return cpus < CPUS_FOR_MORE ? 1 : Math.min(Math.floor(cpus / CPUS_EACH), MOST);
}
