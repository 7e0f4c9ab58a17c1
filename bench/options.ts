/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';
import { METRICS } from './metrics.js';
import { PEERS } from './peers/all.js';

export const USAGE = `usage: npm run bench -- [options]
  --quick            once, briefly: two minutes; prints only, writes no files
  --only A,B         these routes (the plain socket is always measured): ${PEERS.map(peer => peer.id).join(', ')}
  --placement A,B    one, two, free
  --metric PREFIX    metrics whose names begin so: ${METRICS.map(metric => metric.id).join(', ')}
  --no-idle          without the idle connections
  --repetitions N    instead of 5 (1 with --quick)`;

export interface Options {
  readonly quick: boolean;
  readonly only: readonly string[] | undefined;
  readonly placements: readonly string[] | undefined;
  readonly metric: string;
  readonly idle: boolean;
  readonly repetitions: number;
  /** Seconds that one measurement takes, and before that. */
  readonly seconds: number;
  readonly warmUp: number;
  /** A part only: nothing is written, for the page shows all or nothing. */
  readonly partial: boolean;
}

/** Where the progress is told. */
export type Say = (text: string) => void;

/** An argument that cannot be meant; its message names it. */
export class UsageError extends Error {}

function names(
  option: string,
  value: string | undefined,
  known: readonly string[],
): readonly string[] | undefined {
  const list = value?.split(',');
  for (const name of list ?? []) {
    if (!known.includes(name)) {
      throw new UsageError(`${option}: there is no '${name}', only ${known.join(', ')}`);
    }
  }
  return list;
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        placement: { type: 'string' },
        metric: { type: 'string', default: '' },
        'no-idle': { type: 'boolean', default: false },
        repetitions: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Undefined: help is wanted. Throws a UsageError. */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const values = parsed(argv);
  if (values.help) return undefined;
  const { quick, metric } = values;
  const repetitions = Number(values.repetitions ?? (quick ? 1 : 5));
  if (!Number.isInteger(repetitions) || repetitions < 1) {
    throw new UsageError(`--repetitions: expected 1 or more, found '${values.repetitions}'`);
  }
  if (!METRICS.some(({ id }) => id.startsWith(metric))) {
    throw new UsageError(`--metric: none begins with '${metric}'`);
  }
  const only = names(
    '--only',
    values.only,
    PEERS.map(({ id }) => id),
  );
  const placements = names('--placement', values.placement, ['one', 'two', 'free']);
  const idle = !values['no-idle'];
  return {
    quick,
    only,
    placements,
    metric,
    idle,
    repetitions,
    seconds: quick ? 0.1 : 0.3,
    warmUp: quick ? 0.02 : 0.05,
    partial: quick || !idle || metric !== '' || only !== undefined || placements !== undefined,
  };
}
