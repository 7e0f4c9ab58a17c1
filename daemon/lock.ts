/** One process per directory: a lock file that the kernel lets go of when its holder dies. */
import { readFile } from 'node:fs/promises';
import { loadNative } from './dataplane/native.js';
import { messageOf, XsockError } from './errors.js';

export interface Lock {
  /** Removes the lock file. */
  release(): void;
}

/**
 * Takes the lock at `path`, writing our pid into it. Throws `ALREADY_RUNNING` with the pid of the
 * process that has it, `FILE_ACCESS` if the file cannot be made.
 */
export async function acquireLock(path: string): Promise<Lock> {
  let release: (() => void) | undefined;
  try {
    release = loadNative().tryLock(path, `${process.pid}\n`);
  } catch (error) {
    if (error instanceof XsockError) {
      throw error;
    }
    throw new XsockError('FILE_ACCESS', `cannot lock '${path}': ${messageOf(error)}`, {
      subject: path,
      cause: error,
    });
  }
  if (release === undefined) {
    const holder = (await readFile(path, 'utf8')).trim();
    throw new XsockError(
      'ALREADY_RUNNING',
      `process ${/^\d+$/.test(holder) ? holder : 'unknown'} has '${path}': end it first, or use another directory`,
      { subject: path },
    );
  }
  return { release };
}
