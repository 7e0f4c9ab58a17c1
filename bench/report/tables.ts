/** The tables of a run, in Markdown. */
import { METRICS, type Metric, type Value } from '../metrics.js';
import type { Results } from '../results.js';
import { medianOf, ratioOf } from '../statistics.js';
import { type Verdict, verdicts } from '../targets.js';
import { cell, shown, table } from './number.js';

const KIB = 1024;
const MIB = 1024 * KIB;

function missedBy({ target, measured }: Verdict): string {
  if (measured === null) return 'not measured';
  const share = Math.abs(measured / target.bound - 1) * 100;
  return `missed by ${share >= 10 ? Math.round(share) : share.toFixed(1)} %`;
}

export function targetTable(results: Results): string {
  const rows = verdicts(results).map(verdict => {
    const { target, measured, met } = verdict;
    const unit = target.unit === '' ? '' : ` ${target.unit}`;
    const sign = target.better === 'more' ? '>=' : '<=';
    return [
      target.title,
      `${sign} ${shown(target.bound)}${unit}`,
      measured === null ? '-' : `${shown(measured)}${unit}`,
      met ? 'met' : `**${missedBy(verdict)}**`,
    ];
  });
  return table(['', 'target', 'measured', ''], rows);
}

const label = (metric: Metric, value: Value): string =>
  `${metric.title}${['rate', 'cpu'].includes(value.id) ? '' : `, ${value.id}`}, ${value.unit}`;

function rowOf(results: Results, placement: string, metric: Metric, value: Value): string[] {
  return Object.keys(results.peers).map(peer => {
    const absolute = cell(medianOf(results, placement, metric.id, value.id, peer));
    if (peer === 'plain' || value.isRatio) return absolute;
    const ratio = ratioOf(results, placement, metric.id, value.id, peer);
    return ratio === null ? absolute : `${absolute} (${shown(ratio)})`;
  });
}

/** Everything that was measured in a placement: medians, in brackets the median ratio. */
export function placementTable(results: Results, placement: string): string {
  const rows = METRICS.flatMap(metric =>
    metric.values
      .filter(value => value.ofProxies === undefined)
      .map(value => [label(metric, value), ...rowOf(results, placement, metric, value)]),
  );
  const measured = rows.filter(([, ...cells]) => cells.some(text => text !== '-'));
  return table(['', ...Object.values(results.peers)], measured);
}

/** CPU seconds of the proxies. */
export function cpuTable(results: Results, placement: string): string {
  const proxies = Object.entries(results.peers).filter(([id]) => id !== 'plain');
  const rows = METRICS.flatMap(metric =>
    metric.values
      .filter(value => value.ofProxies)
      .map(value => [
        label(metric, value),
        ...proxies.map(([id]) => cell(medianOf(results, placement, metric.id, value.id, id))),
      ]),
  );
  const measured = rows.filter(([, ...cells]) => cells.some(text => text !== '-'));
  return table(['', ...proxies.map(([, title]) => title)], measured);
}

export function idleTable(results: Results): string {
  const rows = Object.entries(results.idle).map(([key, idle]) => [
    results.peers[key.split('/')[0] ?? ''] ?? key,
    idle.connections.toLocaleString('en'),
    shown(idle.bytesEach / KIB),
    `${idle.cpuPercent.toFixed(1)} %`,
  ]);
  return table(['', 'connections', 'KiB each', 'CPU'], rows);
}

export function atRestText({ atRest }: Results): string {
  if (atRest === null) return '';
  const { daemon, node } = atRest;
  return (
    `A daemon at rest takes ${shown(daemon / MIB)} MiB of resident memory; Node with an empty program ` +
    `${shown(node / MIB)} MiB.`
  );
}
