/** What is measured: the modes of the load generator, their sizes, and what is read from their answers. */

/** What the load generator printed, and what the proxies used meanwhile. */
export interface Answer {
  readonly json: Readonly<Record<string, unknown>>;
  /** CPU seconds of the proxies. */
  readonly cpu: number;
}

export interface Value {
  /** Key in the results. */
  readonly id: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Of the proxies alone: there is none for the plain socket, and no ratio to it. */
  readonly ofProxies?: true;
  /** A ratio by itself: one more, to the plain socket, says nothing. */
  readonly isRatio?: true;
  read(answer: Answer): number;
}

export interface Metric {
  readonly id: string;
  readonly title: string;
  /** Arguments of the load generator. */
  readonly load: readonly string[];
  readonly values: readonly Value[];
}

const GIB = 2 ** 30;
const CONNECTIONS = 10_000;

function number(answer: Answer, key: string): number {
  const value = answer.json[key];
  if (typeof value !== 'number') throw new Error(`the load generator has not told '${key}'`);
  return value;
}

const told = (key: string, id: string, unit: string, better: 'more' | 'less'): Value => ({
  id,
  unit,
  better,
  read: answer => number(answer, key),
});

function sizeName(bytes: number): string {
  if (bytes >= 2 ** 20) return `${bytes / 2 ** 20} MiB`;
  return bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`;
}

function throughput(size: number, streams: number): Metric {
  return {
    id: `throughput-${size}-${streams}`,
    title: `bulk ${sizeName(size)}, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
    load: ['throughput', '--size', String(size), '--count', String(streams)],
    values: [
      {
        ...told('mibPerSecond', 'rate', 'MiB/s', 'more'),
        read: answer => {
          if (answer.json.complete !== true) throw new Error('not all that was sent has arrived');
          return number(answer, 'mibPerSecond');
        },
      },
      {
        id: 'cpu',
        unit: 's/GiB',
        better: 'less',
        ofProxies: true,
        read: answer => (answer.cpu / number(answer, 'bytes')) * GIB,
      },
    ],
  };
}

function roundTrip(size: number): Metric {
  return {
    id: `roundtrip-${size}`,
    title: `round trip ${sizeName(size)}`,
    load: ['roundtrip', '--size', String(size)],
    values: [
      told('p50', 'p50', 'us', 'less'),
      told('p99', 'p99', 'us', 'less'),
      told('p999', 'p999', 'us', 'less'),
    ],
  };
}

function connections(atOnce: number): Metric {
  return {
    id: `connections-${atOnce}`,
    title: `connections, ${atOnce} at once`,
    load: ['connections', '--size', '64', '--count', String(atOnce)],
    values: [
      told('perSecond', 'rate', '/s', 'more'),
      {
        id: 'cpu',
        unit: 's/10,000',
        better: 'less',
        ofProxies: true,
        read: answer => (answer.cpu / number(answer, 'connections')) * CONNECTIONS,
      },
    ],
  };
}

const interactive: Metric = {
  id: 'interactive',
  title: 'interactive 64 B beside bulk',
  load: ['interactive', '--size', '64'],
  values: [
    told('alone_p99', 'alone', 'us', 'less'),
    told('beside_p99', 'p99', 'us', 'less'),
    {
      id: 'times',
      unit: 'x alone',
      better: 'less',
      isRatio: true,
      read: answer => number(answer, 'beside_p99') / number(answer, 'alone_p99'),
    },
  ],
};

export const METRICS: readonly Metric[] = [
  ...[4096, 65536, 2 ** 20].flatMap(size => [1, 8, 64].map(count => throughput(size, count))),
  ...[1, 64, 4096].map(roundTrip),
  ...[1, 16, 64].map(connections),
  interactive,
];

export function metricById(id: string): Metric {
  const metric = METRICS.find(one => one.id === id);
  if (metric === undefined) throw new Error(`there is no metric '${id}'`);
  return metric;
}
