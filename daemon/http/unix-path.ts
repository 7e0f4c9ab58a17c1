/**
 * Makes a path free for a listening UNIX socket: a crashed process's socket is removed, what is in use
 * or is not a socket is never touched.
 */
import { lstat, unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { XsockError } from '../errors.js';

/** `sun_path` holds 108 bytes, one of them the NUL (unix(7)). */
export const MAX_SOCKET_PATH = 107;

/** True if a process accepts connections at `path`; false if the socket there is dead. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') {
        resolve(false);
      } else {
        reject(error);
      }
    });
  });
}

/** Throws `PATH_TOO_LONG`, or `PATH_TAKEN` if something in use or foreign is there. */
export async function freeSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new XsockError(
      'PATH_TOO_LONG',
      `'${path}' has ${Buffer.byteLength(path)} bytes; a UNIX socket path has at most ${MAX_SOCKET_PATH}`,
      { subject: path },
    );
  }
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  });
  if (found === undefined) {
    return;
  }
  if (!found.isSocket()) {
    throw new XsockError('PATH_TAKEN', `'${path}' exists and is not a socket: move it away`, {
      subject: path,
    });
  }
  if (await answers(path)) {
    throw new XsockError('PATH_TAKEN', `another process serves '${path}'`, { subject: path });
  }
  await unlink(path);
}
