/** Real, unmodified programs on the other end: started in the test's directory, ended by pid. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { eventually } from './eventually.js';
import { findProgram } from './installed.js';

const execute = promisify(execFile);

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly as?: Account | undefined;
}

/** The standard output of a program that ends with 0; throws with its standard error otherwise. */
export async function output(
  program: string,
  args: readonly string[],
  { env, input, as }: RunOptions = {},
): Promise<string> {
  const running = execute(findProgram(program) ?? program, [...args], {
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
    ...as,
  });
  running.child.stdin?.end(input);
  const { stdout } = await running;
  return stdout;
}

/** Starts a server that ends with the test, and waits until its socket is there. */
export async function startServer(
  t: Test,
  program: string,
  args: readonly string[],
  socketPath: string,
  as?: Account,
): Promise<ChildProcess> {
  const child = spawn(findProgram(program) ?? program, [...args], { stdio: 'pipe', ...as });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
  }
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    if (!t.passing()) t.comment(`${program}:\n${said}`);
  });
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`${program} has ended: ${said}`);
    await access(socketPath);
  });
  return child;
}
