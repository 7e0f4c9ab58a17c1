/** What xsock is to reach, as ratios to a plain UNIX socket in the same repetition unless said otherwise. */
import type { Placement } from './placement.js';
import type { Results } from './results.js';
import { medianOf, ratioOf } from './statistics.js';

export interface Target {
  readonly title: string;
  readonly bound: number;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Null if it was not measured. */
  measured(results: Results): number | null;
}

export interface Verdict {
  readonly target: Target;
  readonly measured: number | null;
  readonly met: boolean;
}

const OWN = 'xsock';
const KIB = 1024;
const MIB = 1024 * KIB;
/** A percentage that is shown as 0.0. */
const NOTHING = 0.05;

const PLACEMENTS: Readonly<Record<Placement['id'], string>> = {
  one: 'one CPU',
  two: 'two domains',
  free: 'not pinned',
};

function ratio(
  title: string,
  placement: Placement['id'],
  metric: string,
  value: string,
  better: 'more' | 'less',
  bound: number,
): Target {
  return {
    title: `${title}, ${PLACEMENTS[placement]}`,
    bound,
    unit: '',
    better,
    measured: results => ratioOf(results, placement, metric, value, OWN),
  };
}

const bulk = (placement: 'one' | 'two', streams: number, bound: number): Target =>
  ratio(
    `bulk 64 KiB, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
    placement,
    `throughput-65536-${streams}`,
    'rate',
    'more',
    bound,
  );

const connections = (atOnce: number): Target =>
  ratio(`connections, ${atOnce} at once`, 'one', `connections-${atOnce}`, 'rate', 'more', 0.5);

export const TARGETS: readonly Target[] = [
  bulk('one', 1, 0.5),
  bulk('one', 8, 0.5),
  bulk('one', 64, 0.5),
  bulk('two', 1, 0.9),
  bulk('two', 8, 0.7),
  bulk('two', 64, 0.7),
  ratio('bulk 4 KiB, 1 stream', 'one', 'throughput-4096-1', 'rate', 'more', 0.85),
  ratio('round trip 64 B', 'two', 'roundtrip-64', 'p50', 'less', 0.5),
  ratio('round trip 64 B, p99', 'two', 'roundtrip-64', 'p99', 'less', 1),
  ratio('round trip 64 B', 'one', 'roundtrip-64', 'p50', 'less', 3.5),
  connections(1),
  connections(16),
  connections(64),
  {
    title: 'CPU of both daemons, one CPU',
    bound: 0.17,
    unit: 's/GiB',
    better: 'less',
    measured: results => medianOf(results, 'one', 'throughput-65536-1', 'cpu', OWN),
  },
  {
    title: 'memory of an idle connection, of 10,000',
    bound: 0.5,
    unit: 'KiB',
    better: 'less',
    measured: results => {
      const idle = results.idle[`${OWN}/10000`];
      return idle === undefined ? null : idle.bytesEach / KIB;
    },
  },
  {
    title: 'CPU with 10,000 idle connections',
    bound: NOTHING,
    unit: '%',
    better: 'less',
    measured: results => results.idle[`${OWN}/10000`]?.cpuPercent ?? null,
  },
  {
    title: 'interactive beside bulk, p99 by that of the interactive stream alone, one CPU',
    bound: 3,
    unit: '',
    better: 'less',
    measured: results => medianOf(results, 'one', 'interactive', 'times', OWN),
  },
  {
    title: 'interactive beside bulk, p99 by that of the interactive stream alone, two domains',
    bound: 3,
    unit: '',
    better: 'less',
    measured: results => medianOf(results, 'two', 'interactive', 'times', OWN),
  },
  {
    title: 'memory of a daemon at rest, beyond that of Node alone',
    bound: 10,
    unit: 'MiB',
    better: 'less',
    measured: ({ atRest }) => (atRest === null ? null : (atRest.daemon - atRest.node) / MIB),
  },
];

export function verdicts(results: Results): Verdict[] {
  return TARGETS.map(target => {
    const measured = target.measured(results);
    const met =
      measured !== null &&
      (target.better === 'more' ? measured >= target.bound : measured <= target.bound);
    return { target, measured, met };
  });
}
