/**
 * Looks up users and groups in the system's databases (NSS) through getent(1): in a separate process,
 * since a database may be remote, and a call into it blocks. Many names per process, few processes at a time.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf, XsockError } from '../errors.js';
import { escapeForDisplay } from '../text/escape.js';

const run = promisify(execFile);

export type Database = 'passwd' | 'group';

/** getent(1): a key was not found. */
const NOT_FOUND = 2;
/** Names for one process. */
const BATCH = 64;
/** Processes at a time. */
const PARALLEL = 4;
/** Milliseconds for everything: longer than a directory service needs, shorter than a start may take. */
const TIME_LIMIT = 10_000;
/** Bytes of an answer; groups list their members. */
const ANSWER_MAX = 16 * 1024 * 1024;

interface Answer {
  /** Name and id as the database has them, in the order of the question; what is not found is left out. */
  readonly entries: readonly { readonly name: string; readonly id: number }[];
  readonly complete: boolean;
}

/**
 * The ids of those of these names that exist. Throws `FILE_ACCESS` if the database does not answer in
 * time, and the reason of `signal` once that is aborted.
 */
export async function lookUpAccounts(
  database: Database,
  names: readonly string[],
  signal: AbortSignal,
  limit: number = TIME_LIMIT,
): Promise<ReadonlyMap<string, number>> {
  const late = AbortSignal.timeout(limit);
  const either = AbortSignal.any([signal, late]);
  const found = new Map<string, number>();
  const queue = batches(names);
  const work = async (): Promise<void> => {
    for (let batch = queue.pop(); batch !== undefined; batch = queue.pop()) {
      const missing = await askBatch(database, batch, either, found);
      if (batch.length > 1) queue.push(...missing.map(name => [name]));
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL }, work));
    return found;
  } catch (error) {
    signal.throwIfAborted();
    throw failure(database, names, late.aborted ? `no answer in ${limit / 1000} s` : error);
  }
}

function batches(names: readonly string[]): string[][] {
  const count = Math.ceil(names.length / BATCH);
  return Array.from({ length: count }, (_, index) =>
    names.slice(index * BATCH, (index + 1) * BATCH),
  );
}

/** Names that seem not to exist, or that the database spells in another way: to be looked up one by one. */
async function askBatch(
  database: Database,
  names: readonly string[],
  signal: AbortSignal,
  found: Map<string, number>,
): Promise<readonly string[]> {
  const { entries, complete } = await ask(database, names, signal);
  if (complete && entries.length === names.length) {
    for (const [index, { id }] of entries.entries()) found.set(names[index] ?? '', id);
    return [];
  }
  const ids = new Map(entries.map(({ name, id }) => [name, id]));
  return names.filter(name => {
    const id = ids.get(name);
    if (id !== undefined) found.set(name, id);
    return id === undefined;
  });
}

async function ask(
  database: Database,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Answer> {
  const options = { signal, maxBuffer: ANSWER_MAX, killSignal: 'SIGKILL' } as const;
  try {
    const { stdout } = await run('getent', ['--', database, ...names], options);
    return { entries: parse(stdout), complete: true };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NOT_FOUND) {
      return { entries: parse(String('stdout' in error ? error.stdout : '')), complete: false };
    }
    throw error;
  }
}

/** Lines of passwd(5) and group(5): the third field is the id in both. */
function parse(text: string): Answer['entries'] {
  return text.split('\n').flatMap(line => {
    const [name, , id] = line.split(':');
    return name === undefined || !/^\d+$/.test(id ?? '') ? [] : [{ name, id: Number(id) }];
  });
}

function failure(database: Database, names: readonly string[], why: unknown): XsockError {
  const what = database === 'passwd' ? 'owner' : 'group';
  const [first = ''] = names;
  const others = names.length > 1 ? ` and ${names.length - 1} more` : '';
  return new XsockError(
    'FILE_ACCESS',
    `getent ${database} cannot be asked for '${escapeForDisplay(first)}'${others}: ${messageOf(why)}; ` +
      `a number as ${what} needs no database`,
    { subject: first, cause: why },
  );
}
