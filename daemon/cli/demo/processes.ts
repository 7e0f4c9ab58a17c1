/** The demo's processes: started, awaited and ended by pid, whatever happens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf } from '../../errors.js';

/** Nothing here takes longer on any machine that can run it at all. */
const DEADLINE_MS = 20_000;
/** How many lines of a failed process are shown. */
const TAIL_LINES = 15;

export interface DemoProcess {
  readonly name: string;
  readonly child: ChildProcess;
  output: string;
}

export class Processes {
  readonly #all: DemoProcess[] = [];

  start(name: string, command: string, args: readonly string[]): DemoProcess {
    const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const process: DemoProcess = { name, child, output: '' };
    const keep = (chunk: Buffer): void => {
      process.output += String(chunk);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', error => keep(Buffer.from(`${messageOf(error)}\n`)));
    this.#all.push(process);
    return process;
  }

  /** Runs a program to its end; what it printed. Throws if it fails. */
  async run(name: string, command: string, args: readonly string[]): Promise<string> {
    const process = this.start(name, command, args);
    const [code] = (await once(process.child, 'close')) as [number | null];
    if (code !== 0) {
      throw new Error(`${name} ended with ${code}: ${process.output.trim()}`);
    }
    return process.output.trim();
  }

  /** The last lines of every process, for finding out what went wrong. */
  tails(): string {
    return this.#all
      .map(({ name, output }) => {
        const lines = output.trim().split('\n').slice(-TAIL_LINES);
        return `--- ${name}\n${lines.join('\n')}`;
      })
      .join('\n');
  }

  /** Last started, first ended. */
  async stop(): Promise<void> {
    for (const { child } of this.#all.toReversed()) {
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
    }
  }
}

/** The first result of `ask` that is no error: other processes need time to start. */
export async function until<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) {
        throw new Error(`${what}: not within ${DEADLINE_MS / 1000} s (${messageOf(error)})`);
      }
      await new Promise(resolve => setTimeout(resolve, 25));
    }
  }
}
