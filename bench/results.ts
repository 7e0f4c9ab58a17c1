/** What was measured, in the shape of bench/results.json: kept for the next run to compare with. */
import { readFileSync, writeFileSync } from 'node:fs';

/** One number for each repetition; null where the measurement failed. */
export type Series = readonly (number | null)[];

export interface Idle {
  readonly connections: number;
  /** User memory of both proxies, bytes for each connection. */
  readonly bytesEach: number;
  /** Share of one CPU that both proxies use, in percent. */
  readonly cpuPercent: number;
}

/** Resident memory of one daemon before its first stream: bytes. */
export interface AtRest {
  readonly daemon: number;
  /** Node alone, with an empty program. */
  readonly node: number;
}

export interface Results {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly repetitions: number;
  readonly seconds: number;
  /** Ids and titles, in the order of the tables. */
  readonly peers: Readonly<Record<string, string>>;
  /** Why a route was not measured, by its title. */
  readonly skipped: Readonly<Record<string, string>>;
  /** `placement/metric/value/peer`. */
  readonly series: Record<string, Series>;
  /** `peer/connections`. */
  readonly idle: Record<string, Idle>;
  atRest: AtRest | null;
  /** What could not be measured, a sentence each. */
  readonly failures: string[];
}

export const seriesKey = (placement: string, metric: string, value: string, peer: string): string =>
  `${placement}/${metric}/${value}/${peer}`;

/** Undefined if there are none. */
export function readResults(path: string): Results | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${path} cannot be read: remove it, or take it from version control`, {
      cause: error,
    });
  }
}

/** One line for each series, so that a difference between two runs can be read. */
export function writeResults(path: string, results: Results): void {
  const text = JSON.stringify(results, null, 2);
  const flat = text.replace(/\[[^[\]"]*\]/g, list => list.replace(/\s+/g, ' '));
  writeFileSync(path, `${flat}\n`);
}
