/** One measurement: a way, a pair of domains, a metric. */
import type { Domain } from '../../test/xen/domain.js';
import { LOAD, type Pair } from './pairs.js';
import type { Way } from './ways.js';

/** Seconds: one that takes longer is given up, and counts as failed. */
const LIMIT = 25;
/** Seconds that a measurement is to take. */
const WANTED = 2;

export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** The load's words, for this many bytes, round trips or connections. */
  argv(address: string, amount: number): readonly string[];
  /** How much to begin with, at most, and how much a second a result stands for. */
  readonly first: number;
  readonly most: number;
  perSecond(result: number): number;
}

const MIB = 2 ** 20;

const throughput = (size: number): Metric => ({
  id: `throughput-${size}`,
  title: `throughput, writes of ${size / 1024} KiB`,
  unit: 'MiB/s',
  better: 'more',
  argv: (address, amount) => ['throughput', address, String(size), String(amount)],
  first: MIB / 2,
  most: 512 * MIB,
  perSecond: result => result * MIB,
});

export const METRICS: readonly Metric[] = [
  throughput(65_536),
  throughput(4096),
  {
    id: 'roundtrip-64',
    title: 'round trip of 64 B, mean',
    unit: 'µs',
    better: 'less',
    argv: (address, amount) => ['roundtrip', address, '64', String(amount)],
    first: 20,
    most: 20_000,
    perSecond: result => 1e6 / result,
  },
  {
    id: 'connect',
    title: 'connect, question, answer, close',
    unit: '/s',
    better: 'more',
    argv: (address, amount) => ['connect', address, String(amount)],
    first: 3,
    most: 2000,
    perSecond: result => result,
  },
];

export interface Measured {
  readonly result: number;
  /** CPU seconds of all domains for each unit of work (byte, round trip, connection). */
  readonly cpu: number;
}

/** CPU seconds that Xen has counted for all domains so far. */
async function cpuSeconds(dom0: Domain): Promise<number> {
  const list = await dom0.run(['xl', 'list']);
  return list
    .trim()
    .split('\n')
    .slice(1)
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/).at(-1)), 0);
}

export class Measurer {
  readonly #dom0: Domain;
  readonly #amounts = new Map<string, number>();

  constructor(dom0: Domain) {
    this.#dom0 = dom0;
  }

  /** Throws when the way does not get through it in time. The first one finds out how much is enough. */
  async measure(way: Way, pair: Pair, metric: Metric): Promise<Measured> {
    const address = await way.open(pair);
    try {
      const key = `${way.id}/${pair.title}/${metric.id}`;
      let amount = this.#amounts.get(key);
      if (amount === undefined) {
        const result = await this.#run(pair, metric.argv(address, metric.first));
        const enough = Math.round(metric.perSecond(result) * WANTED);
        amount = Math.min(Math.max(enough, metric.first), metric.most);
        this.#amounts.set(key, amount);
      }
      const before = await cpuSeconds(this.#dom0);
      const result = await this.#run(pair, metric.argv(address, amount));
      const used = (await cpuSeconds(this.#dom0)) - before;
      return { result, cpu: used / amount };
    } finally {
      await way.close(pair);
    }
  }

  async #run({ client }: Pair, argv: readonly string[]): Promise<number> {
    const command = ['timeout', String(LIMIT), LOAD, ...argv];
    const result = Number(await client.run(command, '', (LIMIT + 10) * 1000));
    if (!(result > 0)) throw new Error(`the load has no result: ${command.join(' ')}`);
    return result;
  }
}
