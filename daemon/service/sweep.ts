/**
 * Removes a crashed daemon's stale files from a run directory: dead sockets below `<run>/<domid>/` and
 * `<run>/vchan/<domid>/`, and the links in `<run>/by-name/`. Whatever is in use, or of another kind, or elsewhere, stays.
 */
import { readdir, readlink, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isXsockError, messageOf } from '../errors.js';
import { freeSocketPath } from '../http/unix-path.js';
import { parseDomId } from '../ids.js';
import type { LineLog } from '../log/peer-logs.js';
import { BY_NAME, PORTS, VCHANS } from './layout.js';

function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function entries(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) {
      return [];
    }
    throw error;
  }
}

async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'ENOENT', 'ENOTDIR')) {
      throw error;
    }
  }
}

async function sweepSockets(directory: string, log: LineLog): Promise<void> {
  for (const entry of await entries(directory)) {
    const path = join(directory, entry);
    if (entry === PORTS) {
      continue;
    }
    try {
      await freeSocketPath(path);
    } catch (error) {
      // Not ours to connect to or to remove, or in use and too busy to answer.
      if (!isXsockError(error) && !isErrno(error, 'EACCES', 'EPERM', 'EAGAIN')) {
        throw error;
      }
      log.warn({ path, why: messageOf(error) }, 'not removed: not a stale socket of ours');
    }
  }
  await removeIfEmpty(directory);
}

async function sweepNames(directory: string): Promise<void> {
  for (const entry of await entries(directory)) {
    const path = join(directory, entry);
    try {
      if (/^\.\.\/\d+$/.test(await readlink(path))) {
        await unlink(path);
      }
    } catch (error) {
      if (!isErrno(error, 'EINVAL', 'ENOENT')) {
        throw error; // EINVAL: it is no symbolic link, and so not ours
      }
    }
  }
  await removeIfEmpty(directory);
}

export async function sweepRunDirectory(run: string, log: LineLog): Promise<void> {
  for (const entry of await entries(run)) {
    if (parseDomId(entry) !== undefined) {
      await sweepSockets(join(run, entry, PORTS), log);
      await sweepSockets(join(run, entry), log);
    }
  }
  for (const entry of await entries(join(run, VCHANS))) {
    if (parseDomId(entry) !== undefined) {
      await sweepSockets(join(run, VCHANS, entry), log);
    }
  }
  await removeIfEmpty(join(run, VCHANS));
  await sweepNames(join(run, BY_NAME));
}
