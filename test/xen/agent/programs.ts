/** Programs that tests run in a domain: what they say goes to the console, line by line, under their name. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Program {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly lines: string[];
  readonly listeners: Set<(line: string) => void>;
}

/** Lines kept for said(): the latest. */
const KEPT_LINES = 2000;

const started = new Map<string, Started>();

function spawned({ argv: [file, ...args], env, uid, gid }: Program): ChildProcess {
  if (file === undefined) throw new Error('no program');
  return spawn(file, args, {
    env: { ...process.env, ...env },
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
}

function endOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

/** Starts a program that goes on; a finished one of the same name makes room. */
export function start(name: string, program: Program): number {
  const before = started.get(name);
  if (before && before.child.exitCode === null && before.child.signalCode === null) {
    throw new Error(`${name} runs already`);
  }
  const child = spawned(program);
  const entry: Started = { child, ended: endOf(child), lines: [], listeners: new Set() };
  entry.ended.then(
    ({ code, signal }) => console.log(`${name}: ended with ${signal ?? code}`),
    (error: unknown) => console.log(`${name}: ${String(error)}`),
  );
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', line => {
      console.log(`${name}: ${line}`);
      entry.lines.push(line);
      if (entry.lines.length > KEPT_LINES) entry.lines.shift();
      for (const listener of entry.listeners) listener(line);
    });
  }
  started.set(name, entry);
  return child.pid ?? 0;
}

function find(name: string): Started {
  const entry = started.get(name);
  if (entry === undefined) throw new Error(`no program was started as ${name}`);
  return entry;
}

export function signal(name: string, which: NodeJS.Signals): void {
  find(name).child.kill(which);
}

export function ended(name: string): Promise<Ended> {
  return find(name).ended;
}

/** Waits for a line that matches; those said before count, from the `after`th on. */
export function said(name: string, pattern: string, after: number): Promise<string> {
  const { lines, listeners } = find(name);
  const expression = new RegExp(pattern);
  const already = lines.slice(after).find(line => expression.test(line));
  if (already !== undefined) return Promise.resolve(already);
  return new Promise(resolve => {
    const listener = (line: string): void => {
      if (expression.test(line)) {
        listeners.delete(listener);
        resolve(line);
      }
    };
    listeners.add(listener);
  });
}

/** How many lines a program has said: a place in its log for said(). */
export function lineCount(name: string): number {
  return find(name).lines.length;
}

export interface Output extends Ended {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export async function run(program: Program, input: string): Promise<Output> {
  const child = spawned(program);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      said[name] += String(chunk);
    });
  }
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  return { ...(await endOf(child)), ...said };
}
