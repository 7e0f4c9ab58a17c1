/**
 * A socket file that is ours as long as it is the same inode: whatever has its path since then
 * belongs to another program, and is left alone.
 */
import { lstatSync, unlinkSync } from 'node:fs';

export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/** What is at `path` now; undefined if nothing is. */
export function socketFileAt(path: string): SocketFile | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : { path, device: found.dev, inode: found.ino };
}

export function isThere({ path, device, inode }: SocketFile): boolean {
  const found = socketFileAt(path);
  return found?.device === device && found.inode === inode;
}

/** Throws the error of unlink(2), such as EROFS. */
export function removeIfThere(file: SocketFile): void {
  if (isThere(file)) {
    unlinkSync(file.path);
  }
}
