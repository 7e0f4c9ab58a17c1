/** Runs one of the compiled programs as a process of its own, as a user would. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

export const XSOCK = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));
export const XSOCKD = fileURLToPath(new URL('../../daemon/main.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly finished: Promise<Finished>;
}

/** Without the variables that would change what the programs do, unless the test sets them. */
function environment(extra: Readonly<Record<string, string>>): Record<string, string | undefined> {
  const { XSOCK_RUN, XSOCK_LOOPBACK, XSOCK_LOOPBACK_DIR, NOTIFY_SOCKET, ...rest } = process.env;
  return { ...rest, ...extra };
}

/** Starts `program`; it is killed when the test ends, if it still runs. */
export function startProgram(
  t: Test,
  program: string,
  args: readonly string[],
  extra: Readonly<Record<string, string>> = {},
): Running {
  const child = spawn(process.execPath, [program, ...args], { env: environment(extra) });
  t.teardown(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  // A program may end before it has read its input.
  child.stdin.on('error', () => {});
  return { child, finished: finish(child) };
}

async function finish(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return {
    code,
    signal,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  };
}

/** Runs `program` to its end, with nothing on standard input. */
export async function runProgram(
  t: Test,
  program: string,
  args: readonly string[],
  extra: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const { child, finished } = startProgram(t, program, args, extra);
  child.stdin.end();
  return finished;
}
