/** What an agent does for the tests. Every wait has its deadline, in milliseconds. */
import { existsSync, watch } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isXsockError } from '../../../daemon/errors.js';
import type { Xenstore } from '../../../daemon/xenstore/xenstore.js';
import * as programs from './programs.js';
import * as traffic from './traffic.js';

const DEADLINE = 240_000;

/** `promise`, or an error that says what was waited for. */
export async function within<T>(deadline: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadline} ms: ${what}`)), deadline);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when a file is there, or is not. Its directory may come and go. */
function pathIs(path: string, present: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (existsSync(path) === present) {
        resolve();
        return;
      }
      let directory = dirname(path);
      while (!existsSync(directory)) directory = dirname(directory);
      try {
        const watcher = watch(directory, () => {
          watcher.close();
          look();
        });
        // What happened before the watch was set is not told.
        if (existsSync(path) === present) {
          watcher.close();
          resolve();
        }
      } catch (error) {
        // The directory went between the two looks.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') look();
        else reject(error as Error);
      }
    };
    look();
  });
}

export interface Waiting {
  readonly deadline?: number;
}

/** Of texts, at most the last `shown` characters are handed back. */
export function createOperations(xenstore: Xenstore, shown: number) {
  return {
    /** Runs a program to its end. */
    run: async (
      p: programs.Program & { readonly input?: string } & Waiting,
    ): Promise<programs.Output> => {
      const what = p.argv.join(' ');
      const output = await within(p.deadline ?? DEADLINE, what, programs.run(p, p.input ?? ''));
      if (output.code !== 0) console.log(`${what}: ${JSON.stringify(output)}`);
      return {
        ...output,
        stdout: output.stdout.slice(-shown),
        stderr: output.stderr.slice(-shown),
      };
    },
    /** Starts a program that goes on; its process id. */
    start: async (p: programs.Program & { readonly name: string }): Promise<number> =>
      programs.start(p.name, p),
    signal: async (p: {
      readonly name: string;
      readonly signal: NodeJS.Signals;
    }): Promise<null> => {
      programs.signal(p.name, p.signal);
      return null;
    },
    ended: async (p: { readonly name: string } & Waiting): Promise<programs.Ended> =>
      within(p.deadline ?? DEADLINE, `the end of ${p.name}`, programs.ended(p.name)),
    /** Waits for a line of a program's log. */
    said: async (
      p: { readonly name: string; readonly pattern: string; readonly after?: number } & Waiting,
    ): Promise<string> =>
      (
        await within(
          p.deadline ?? DEADLINE,
          `${p.name} says /${p.pattern}/`,
          programs.said(p.name, p.pattern, p.after ?? 0),
        )
      ).slice(0, shown),
    lineCount: async (p: { readonly name: string }): Promise<number> => programs.lineCount(p.name),
    write: async (p: {
      readonly path: string;
      readonly content: string;
      readonly mode?: number;
    }): Promise<null> => {
      await mkdir(dirname(p.path), { recursive: true });
      await writeFile(p.path, p.content);
      if (p.mode !== undefined) await chmod(p.path, p.mode);
      return null;
    },
    read: async (p: { readonly path: string }): Promise<string> =>
      (await readFile(p.path, 'utf8')).slice(0, shown),
    appears: async (p: { readonly path: string } & Waiting): Promise<null> => {
      await within(p.deadline ?? DEADLINE, `${p.path} appears`, pathIs(p.path, true));
      return null;
    },
    vanishes: async (p: { readonly path: string } & Waiting): Promise<null> => {
      await within(p.deadline ?? DEADLINE, `${p.path} vanishes`, pathIs(p.path, false));
      return null;
    },
    serveEcho: async (p: { readonly path: string }): Promise<null> => {
      await traffic.serveEcho(p.path);
      return null;
    },
    echo: async (
      p: { readonly path: string; readonly bytes: number; readonly count: number } & Waiting,
    ): Promise<traffic.EchoResult> =>
      within(
        p.deadline ?? DEADLINE,
        `${p.count} streams of ${p.bytes} B to ${p.path}`,
        traffic.echoStreams(p.path, p.bytes, p.count),
      ),
    startLoad: async (p: {
      readonly name: string;
      readonly path: string;
      readonly count: number;
    }): Promise<null> => {
      await traffic.startLoad(p.name, p.path, p.count);
      return null;
    },
    loadFlows: async (
      p: { readonly name: string; readonly bytes: number } & Waiting,
    ): Promise<null> => {
      await within(
        p.deadline ?? DEADLINE,
        `${p.name} moves ${p.bytes} B`,
        traffic.loadFlows(p.name, p.bytes),
      );
      return null;
    },
    loadEnded: async (p: { readonly name: string } & Waiting): Promise<number> =>
      within(p.deadline ?? DEADLINE, `the end of load ${p.name}`, traffic.loadEnded(p.name)),
    stopLoad: async (p: { readonly name: string }): Promise<null> => {
      await traffic.stopLoad(p.name);
      return null;
    },
    /** Waits until a node of xenstore is as it should be: a value, anything, or not there. */
    node: async (
      p: { readonly path: string; readonly value?: string; readonly absent?: boolean } & Waiting,
    ): Promise<string> =>
      within(p.deadline ?? DEADLINE, `${p.path} in xenstore`, nodeIs(xenstore, p)),
  };
}

export type Operations = ReturnType<typeof createOperations>;

async function nodeIs(
  xenstore: Xenstore,
  wanted: { readonly path: string; readonly value?: string; readonly absent?: boolean },
): Promise<string> {
  let changed = (): void => {};
  const watching = await xenstore.watch(wanted.path, () => changed());
  try {
    for (;;) {
      const change = new Promise<void>(resolve => {
        changed = resolve;
      });
      const value = await readNode(xenstore, wanted.path);
      if (wanted.absent === true) {
        if (value === undefined) return '';
      } else if (value !== undefined && (wanted.value ?? value) === value) {
        return value;
      }
      await change;
    }
  } finally {
    await watching.close();
  }
}

export async function readNode(xenstore: Xenstore, path: string): Promise<string | undefined> {
  try {
    return await xenstore.read(path);
  } catch (error) {
    if (isXsockError(error, 'XENSTORE')) return undefined;
    throw error;
  }
}
