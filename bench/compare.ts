/** What has become better or worse since an earlier run, by the ratios: they hold across machines best. */
import { METRICS } from './metrics.js';
import { shown } from './report/number.js';
import type { Results } from './results.js';
import { ratioOf } from './statistics.js';

/** Smaller differences are noise, even of medians of ratios. */
const NOTEWORTHY = 0.15;

/** A sentence for each noteworthy difference of xsock, the larger first. */
export function differences(earlier: Results, now: Results): string[] {
  const found: { change: number; text: string }[] = [];
  for (const placement of ['one', 'two', 'free']) {
    for (const metric of METRICS) {
      for (const { id, better, ofProxies } of metric.values) {
        if (ofProxies) continue;
        const before = ratioOf(earlier, placement, metric.id, id, 'xsock');
        const after = ratioOf(now, placement, metric.id, id, 'xsock');
        if (before === null || after === null) continue;
        const change = after / before - 1;
        if (Math.abs(change) < NOTEWORTHY) continue;
        const word = change > 0 === (better === 'more') ? 'better' : 'WORSE';
        const values = `${shown(before)} -> ${shown(after)}`;
        found.push({ change, text: `${word}: ${placement}/${metric.id}/${id} ${values}` });
      }
    }
  }
  return found.toSorted((a, b) => Math.abs(b.change) - Math.abs(a.change)).map(({ text }) => text);
}
