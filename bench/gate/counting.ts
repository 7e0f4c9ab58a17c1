/** Runs one move under callgrind; what the pumps' threads took for each, the set-up spread over all. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const FOLDER = fileURLToPath(new URL('../../../bench/gate', import.meta.url));
/** Everything that a pump does, and nothing else of the process, is below this function. */
const PUMP = 'xsock::pump::Pump::run()';

const run = promisify(execFile);

/** For one move: one piece and its answer, one round trip, one connection; both pumps together. */
export interface Cost {
  readonly instructions: number;
  readonly systemCalls: number;
}

export async function buildMoves(): Promise<void> {
  await run('make', ['-s', '-C', FOLDER]);
}

/** Throws if valgrind is not installed or nothing was counted. */
export async function costOf(move: string, count: number, profile: string): Promise<Cost> {
  const { stderr } = await run('valgrind', [
    '--tool=callgrind',
    `--callgrind-out-file=${profile}`,
    '--collect-systime=usec',
    '--fair-sched=yes',
    `--toggle-collect=${PUMP}`,
    `${FOLDER}/build/moves`,
    move,
    String(count),
  ]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new Error('valgrind is not installed (apt-get install valgrind)', { cause: error });
  });
  const [, instructions = 0, systemCalls = 0] = (/Collected : (\d+) (\d+)/.exec(stderr) ?? []).map(
    Number,
  );
  if (instructions === 0) {
    throw new Error(`callgrind has counted nothing below ${PUMP}: has it another name now?`);
  }
  return { instructions: instructions / count, systemCalls: systemCalls / count };
}

/** Where the instructions of a profile are: the functions that have most of them. */
export async function hottest(profile: string, lines: number): Promise<string> {
  const { stdout } = await run('callgrind_annotate', ['--show=Ir', '--sort=Ir', profile]);
  const functions = stdout.split('\n').filter(line => / \?\?\?:| [^ ]+\.(cc|h|c|S):/.test(line));
  return functions.slice(0, lines).join('\n');
}
