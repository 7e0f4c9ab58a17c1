/** Medians, and ratios to the plain socket of the same repetition. */
import { type Results, type Series, seriesKey } from './results.js';

/** Null if there are none. */
export function median(series: Series): number | null {
  const sorted = series.filter(value => value !== null).toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? null : (upper + lower) / 2;
}

/** Each number by the one of the same repetition. */
export function ratios(series: Series, reference: Series): Series {
  return series.map((value, i) => {
    const other = reference[i] ?? null;
    return value === null || other === null || other === 0 ? null : value / other;
  });
}

/** The median of a series of the results; null if it was not measured. */
export function medianOf(
  results: Results,
  placement: string,
  metric: string,
  value: string,
  peer: string,
): number | null {
  return median(results.series[seriesKey(placement, metric, value, peer)] ?? []);
}

/** The median ratio of a peer to the plain socket; null if either was not measured. */
export function ratioOf(
  results: Results,
  placement: string,
  metric: string,
  value: string,
  peer: string,
): number | null {
  const own = results.series[seriesKey(placement, metric, value, peer)] ?? [];
  return median(ratios(own, results.series[seriesKey(placement, metric, value, 'plain')] ?? []));
}
