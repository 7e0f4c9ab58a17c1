/** Runs the load generator (load/, C++) through one route. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Route } from './peers/peer.js';
import type { Placement } from './placement.js';

const FOLDER = fileURLToPath(new URL('../../bench/load', import.meta.url));
const LOAD = `${FOLDER}/build/load`;
/** A measurement takes seconds; one that is stuck is given up. */
const TIMEOUT_MS = 30_000;

const run = promisify(execFile);

export async function buildLoad(): Promise<void> {
  await run('make', ['-s', '-C', FOLDER]);
}

function argumentsOf(route: Route, placement: Placement, mode: readonly string[]): string[] {
  const { clientCpu, serverCpu } = placement;
  return [
    ...mode,
    ...['--listen', route.listen, '--dial', route.dial],
    ...(clientCpu === undefined ? [] : ['--client-cpu', String(clientCpu)]),
    ...(serverCpu === undefined ? [] : ['--server-cpu', String(serverCpu)]),
  ];
}

/** Runs a mode to its end; what it has printed. */
export async function measure(
  route: Route,
  placement: Placement,
  mode: readonly string[],
): Promise<Record<string, unknown>> {
  const { stdout } = await run(LOAD, argumentsOf(route, placement, mode), {
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  }).catch((error: Error & { stderr?: string }) => {
    const said = error.stderr?.trim();
    throw new Error(said || `no answer within ${TIMEOUT_MS / 1000} s`, { cause: error });
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Holds idle connections while `meanwhile` runs. */
export async function holding<T>(
  route: Route,
  placement: Placement,
  connections: number,
  meanwhile: () => Promise<T>,
): Promise<T> {
  const mode = ['idle', '--count', String(connections)];
  const child = spawn(LOAD, argumentsOf(route, placement, mode), {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += String(chunk);
  });
  const exit = once(child, 'close');
  try {
    const lines = createInterface({ input: child.stdout });
    await Promise.race([
      once(lines, 'line'),
      exit.then(() => {
        throw new Error(errors.trim() || 'the load generator has ended early');
      }),
    ]);
    return await meanwhile();
  } finally {
    child.stdin.end();
    await exit;
  }
}
