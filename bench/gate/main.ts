/**
 * `npm run bench:gate`: fails if the hot path takes noticeably more instructions or system calls than
 * bench/bounds.json says. Both are counted, not timed: the load of the machine does not matter.
 * `-- --update` writes what is measured as the new bounds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../daemon/errors.js';
import { judge, readBounds, writeBounds } from './bounds.js';
import { buildMoves, type Cost, costOf, hottest } from './counting.js';

const BOUNDS = fileURLToPath(new URL('../../../bench/bounds.json', import.meta.url));
/** Enough of each that the set-up does not matter. */
const COUNTS: Readonly<Record<string, number>> = {
  'piece-64KiB': 2000,
  'piece-4KiB': 2000,
  roundtrip: 2000,
  connection: 300,
};
/** The least of so many runs: threads that are stopped at the wrong time only ever add. */
const RUNS = 3;
const HOTTEST = 15;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function leastOf(move: string, count: number, profile: string): Promise<Cost> {
  const costs: Cost[] = [];
  for (let i = 0; i < RUNS; i++) costs.push(await costOf(move, count, profile));
  return {
    instructions: Math.min(...costs.map(cost => cost.instructions)),
    systemCalls: Math.min(...costs.map(cost => cost.systemCalls)),
  };
}

async function gate(directory: string, update: boolean): Promise<boolean> {
  await buildMoves();
  const bounds = readBounds(BOUNDS);
  const moves: Record<string, Cost> = {};
  let good = true;
  for (const [move, count] of Object.entries(COUNTS)) {
    const profile = join(directory, move);
    const cost = await leastOf(move, count, profile);
    moves[move] = cost;
    const found = judge(move, cost, bounds);
    for (const { kind, text } of found) say(`${kind.padEnd(9)} ${text}`);
    if (found.some(({ kind }) => kind === 'over' || kind === 'new')) {
      good = false;
      say(await hottest(profile, HOTTEST));
    }
    if (found.some(({ kind }) => kind === 'far below')) {
      say('better by far: keep it so with npm run bench:gate -- --update');
    }
  }
  if (update) {
    writeBounds(BOUNDS, { margin: bounds.margin, moves });
    say('written: bench/bounds.json');
  }
  return good || update;
}

const directory = await mkdtemp(join(tmpdir(), 'xsg-'));
try {
  process.exitCode = (await gate(directory, process.argv.includes('--update'))) ? 0 : 1;
} catch (error) {
  process.stderr.write(`bench:gate: ${messageOf(error)}\n`);
  process.exitCode = 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
