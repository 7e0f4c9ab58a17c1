/**
 * Processes of the benchmark: each in a process group of its own, pinned, ended with all its children
 * whatever happens.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Pins a program and gives it a process group (load/launch/). */
const LAUNCHER = fileURLToPath(new URL('../../bench/load/build/launcher', import.meta.url));

/** Nothing here takes longer on a machine that can run it at all. */
const DEADLINE_MS = 20_000;
/** How long a process may take to end before it is killed. */
const GRACE_MS = 3000;
const TAIL_CHARACTERS = 2000;

export interface Started {
  readonly pid: number;
  /** Whether it has ended by itself. */
  ended(): boolean;
  /** The end of what it has printed. */
  tail(): string;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  // The process by itself too: it may not have made its group yet.
  child.kill(signal);
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended already.
  }
}

const ended = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;

async function stop(child: ChildProcess): Promise<void> {
  if (!ended(child)) {
    const exit = once(child, 'exit');
    signalGroup(child, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
    await exit;
    clearTimeout(timer);
  }
  // Children that outlived their parent.
  signalGroup(child, 'SIGKILL');
  running.delete(child);
}

/** Starts a program, on that CPU only if one is given. */
export async function start(command: readonly string[], cpu: number | undefined): Promise<Started> {
  const args = [cpu === undefined ? 'any' : String(cpu), ...command];
  const child = spawn(LAUNCHER, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + String(chunk)).slice(-TAIL_CHARACTERS);
    });
  }
  await once(child, 'spawn');
  running.add(child);
  return {
    pid: child.pid ?? 0,
    ended: () => ended(child),
    tail: () => output,
    stop: () => stop(child),
  };
}

/** Kills what still runs; for a benchmark that is interrupted. */
export function killAll(): void {
  for (const child of running) signalGroup(child, 'SIGKILL');
}

/**
 * The first result of `ask` that is no error: other processes come up in their own time. Gives up when
 * one of those that were started ends.
 */
export async function until<T>(
  what: string,
  started: readonly Started[],
  ask: () => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (started.some(one => one.ended()) || Date.now() > deadline) {
        const tails = started.map(one => one.tail()).join('\n');
        throw new Error(`waited in vain until ${what}: ${tails}`, { cause: error });
      }
      await sleep(20);
    }
  }
}
