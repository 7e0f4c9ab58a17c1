/** Where the programs and proxies of a measurement run. */
import { readFileSync } from 'node:fs';

export interface Placement {
  readonly id: 'one' | 'two' | 'free';
  readonly title: string;
  readonly meaning: string;
  /** CPU of the client and its proxy; undefined: wherever the kernel likes. */
  readonly clientCpu: number | undefined;
  /** CPU of the server and its proxy. */
  readonly serverCpu: number | undefined;
}

/** The CPUs that this process may use, e.g. of `0-3,6`. */
export function parseCpuList(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter(Boolean)
    .flatMap(range => {
      const [first = Number.NaN, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

export function allowedCpus(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  return parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? '0');
}

/** All placements that these CPUs allow. */
export function placements(cpus: readonly number[]): Placement[] {
  const [first, second] = cpus;
  const all: Placement[] = [
    {
      id: 'one',
      title: 'One CPU',
      meaning:
        'Client, server and both proxies share one CPU: what the path costs, without luck of the ' +
        'scheduler. The most repeatable of the three.',
      clientCpu: first,
      serverCpu: first,
    },
  ];
  if (second !== undefined) {
    all.push({
      id: 'two',
      title: 'Two domains of one CPU each',
      meaning:
        'Client and its proxy on one CPU, server and its proxy on another: as two small guests.',
      clientCpu: first,
      serverCpu: second,
    });
  }
  all.push({
    id: 'free',
    title: 'Not pinned',
    meaning: 'The kernel places everything as it likes.',
    clientCpu: undefined,
    serverCpu: undefined,
  });
  return all;
}
