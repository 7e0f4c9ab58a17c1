/** docs/performance-xen.md: the ratios of one boot, and what they are good for. */
import { cell, table } from '../report/number.js';
import type { Series } from '../results.js';
import { median, ratios } from '../statistics.js';
import { METRICS, type Metric } from './measure.js';
import { POLL_TIME } from './pairs.js';
import { WAYS } from './ways.js';

export interface XenResults {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly repetitions: number;
  /** Titles of the pairs. */
  readonly pairs: readonly string[];
  /** By `pair/metric/way`. */
  readonly series: Readonly<Record<string, Series>>;
  /** CPU seconds of all domains per unit of work, by the same keys. */
  readonly cpu: Readonly<Record<string, Series>>;
  /** What did not get through, with the reason; a sentence each. */
  readonly failures: readonly string[];
}

interface Target {
  readonly metric: string;
  readonly way: string;
  /** How many times better xsock is to be. */
  readonly bound: number;
}

/** For guests with each other. */
const TARGETS: readonly Target[] = [
  { metric: 'throughput-65536', way: 'vchan', bound: 10 },
  { metric: 'roundtrip-64', way: 'vchan', bound: 4 },
  { metric: 'throughput-65536', way: 'tcp', bound: 5 },
  { metric: 'roundtrip-64', way: 'tcp', bound: 3 },
];

const MIB = 2 ** 20;
const CPU_UNITS: Readonly<Record<string, readonly [number, string]>> = {
  'throughput-65536': [100 * MIB, 's per 100 MiB'],
  'throughput-4096': [100 * MIB, 's per 100 MiB'],
  'roundtrip-64': [1000, 's per 1,000'],
  connect: [100, 's per 100'],
};

export const keyOf = (pair: string, metric: string, way: string): string =>
  `${pair}/${metric}/${way}`;

/** How many times better xsock is, the median of the repetitions' ratios; null if one was not measured. */
export function advantage(
  results: XenResults,
  pair: string,
  metric: Metric,
  way: string,
): number | null {
  const own = results.series[keyOf(pair, metric.id, 'xsock')] ?? [];
  const other = results.series[keyOf(pair, metric.id, way)] ?? [];
  return median(metric.better === 'more' ? ratios(own, other) : ratios(other, own));
}

function figures(results: XenResults, pair: string): string {
  const header = ['', ...WAYS.map(({ title }) => title)];
  const rows = METRICS.map(metric => [
    `${metric.title}, ${metric.unit}`,
    ...WAYS.map(({ id }) => {
      const value = cell(median(results.series[keyOf(pair, metric.id, id)] ?? []));
      return id === 'xsock' ? value : `${value} (${times(advantage(results, pair, metric, id))})`;
    }),
  ]);
  return table(header, rows);
}

const times = (value: number | null): string => (value === null ? '-' : `${cell(value)}x`);

function cpu(results: XenResults, pair: string): string {
  const rows = METRICS.map(({ id, title }) => {
    const [amount, unit] = CPU_UNITS[id] ?? [1, ''];
    const values = WAYS.map(way => {
      const value = median(results.cpu[keyOf(pair, id, way.id)] ?? []);
      return cell(value === null ? null : value * amount);
    });
    return [`${title}, ${unit}`, ...values];
  });
  return table(['', ...WAYS.map(({ title }) => title)], rows);
}

export function targetTable(results: XenResults): string {
  const [pair = ''] = results.pairs;
  const rows = TARGETS.map(({ metric, way, bound }) => {
    const found = METRICS.find(({ id }) => id === metric);
    const other = WAYS.find(({ id }) => id === way)?.title ?? way;
    const value = found === undefined ? null : advantage(results, pair, found, way);
    const met = value !== null && value >= bound ? 'yes' : '**no**';
    return [`${found?.title}, against ${other}`, `${bound}x`, times(value), met];
  });
  return table([`${pair}`, 'target', 'measured', 'met'], rows);
}

/** Two hand-overs and two copies in one domain, against six and four by way of two daemons. */
function floor(results: XenResults): string {
  const [pair = ''] = results.pairs;
  const of = (metric: string, way: string): number | null =>
    median(results.series[keyOf(pair, metric, way)] ?? []);
  const [local, xsock] = [of('roundtrip-64', 'local'), of('roundtrip-64', 'xsock')];
  const [copied, carried] = [of('throughput-65536', 'local'), of('throughput-65536', 'xsock')];
  if (local === null || xsock === null || copied === null || carried === null) return '';
  return `## Where the time goes

A plain UNIX socket inside one guest, without Xen in the way of a byte, has a round trip of ${cell(local)} µs
here: two hand-overs between processes, which in an emulated PV guest are hypercalls. By way of two daemons
there are six: ${cell(3 * local)} µs if they cost the same everywhere; between guests xsock takes ${cell(xsock)}. Of
the bytes of such a socket (${cell(copied)} MiB/s, two copies) a path with four copies carries half at most,
${cell(copied / 2)} MiB/s, on one CPU; xsock carries ${cell(carried)}.

That is why the targets against TCP, and those of round trips, are out of reach here: netfront and netback copy
by hypercall, as often as we do (once in each kernel, once in the hypervisor), and in emulation a copy costs as
much there as here, while a wake-up and a system call, of which the daemons add some, cost many times what
they do on a processor. \`link.poll-time\` is ${POLL_TIME} in these domains, and not 200 µs, for that reason; gntalloc's limit
is that of \`systemd/modprobe.d/xsock.conf\`.

`;
}

function failed({ failures }: XenResults): string {
  if (failures.length === 0) return '';
  return `\n## Did not get through\n\n${failures.map(one => `- ${one}`).join('\n')}\n`;
}

export function xenPage(results: XenResults): string {
  const machine = Object.entries(results.machine).map(([key, value]) => `- ${key}: ${value}`);
  return `# Performance on Xen

Written by \`npm run bench:xen\` on ${results.date}; do not edit. It boots Xen with domain 0 and two PV
guests under QEMU **without hardware virtualisation**: every instruction is emulated, and what a hypercall,
a page fault or a copy costs beside each other is not what it is on a processor. The figures are good as
ratios within this one boot, not as times.

The same program is client and server in all ways. \`vchan-socket-proxy\` is Debian's, restarted for each
measurement; TCP goes through netfront and netback, between guests also through the bridge in domain 0.
Medians of ${results.repetitions} repetitions, all ways in each; in brackets how many times better xsock was in the
same repetition.

## Targets

${targetTable(results)}

${floor(results)}## Measured
${results.pairs
  .map(
    pair => `
### ${pair}

${figures(results, pair)}

CPU seconds, as Xen counts them, of all three domains together (to 0.1 s):

${cpu(results, pair)}
`,
  )
  .join('')}${failed(results)}
## Measured with

${machine.join('\n')}
`;
}
