/**
 * A socket file that is ours as long as it is the same inode: whatever has taken its path since then
 * belongs to somebody else, and is left alone.
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

/** Throws what unlink(2) says, such as EROFS. */
export function removeIfThere(file: SocketFile): void {
  if (isThere(file)) {
    unlinkSync(file.path);
  }
}
