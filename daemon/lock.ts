/** One process per directory or device: a lock that the kernel releases when its holder dies. */
import { readFileSync, statSync } from 'node:fs';
import { loadNative } from './dataplane/native.js';
import { messageOf, XsockError } from './errors.js';

export interface Lock {
  /** Releases it, and removes the lock file if there is one. */
  release(): void;
}

/**
 * Takes the lock at `path`, writing our pid into it. Throws `ALREADY_RUNNING` with the pid of the
 * process that has it, `FILE_ACCESS` if the file cannot be created.
 */
export function acquireLock(path: string): Lock {
  const release = attempt(path, () => loadNative().tryLock(path, `${process.pid}\n`));
  if (release === undefined) throw taken(path, 'use another directory', writtenBy(path));
  return { release };
}

/**
 * Locks an existing file or device, which is not changed: exactly those who may open it may lock
 * it. Throws `ALREADY_RUNNING` with the pid of the process that has it, `FILE_ACCESS` if it cannot be opened.
 */
export function lockExisting(path: string): Lock {
  const release = attempt(path, () => loadNative().tryLockExisting(path));
  if (release === undefined) {
    throw taken(path, 'there is one daemon for each domain', lockedBy(path));
  }
  return { release };
}

function attempt<T>(path: string, lock: () => T): T {
  try {
    return lock();
  } catch (error) {
    if (error instanceof XsockError) throw error;
    throw new XsockError('FILE_ACCESS', `cannot lock '${path}': ${messageOf(error)}`, {
      subject: path,
      cause: error,
    });
  }
}

function taken(path: string, remedy: string, holder: string | undefined): XsockError {
  return new XsockError(
    'ALREADY_RUNNING',
    `process ${holder ?? 'unknown'} has '${path}': end it first, or ${remedy}`,
    { subject: path },
  );
}

/** The pid in a lock file; undefined if its holder has not written it yet or is gone meanwhile. */
function writtenBy(path: string): string | undefined {
  try {
    return /^\d+$/.exec(readFileSync(path, 'utf8').trim())?.[0];
  } catch {
    return undefined;
  }
}

/** The pid of the holder as the kernel lists it (proc_locks(5)); undefined if it is in another pid namespace. */
function lockedBy(path: string): string | undefined {
  try {
    const { ino } = statSync(path);
    const line = new RegExp(`FLOCK +ADVISORY +WRITE +(\\d+) +[0-9a-f:]+:${ino} `);
    return line.exec(readFileSync('/proc/locks', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}
