/** How bytes get to xenstored: the part that differs between dom0, guests and the loopback machine. */
import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, XsockError } from '../errors.js';

export interface XenstoreTransport {
  /** For people: where it leads. */
  readonly description: string;
  /** A new connection. Throws `XENSTORE_GONE` if nobody answers. */
  connect(): Promise<Duplex>;
}

/** xenstored's UNIX socket: dom0's `/run/xenstored/socket`, or that of a loopback domain. */
export function unixTransport(path: string): XenstoreTransport {
  return {
    description: path,
    connect: () =>
      new Promise((resolve, reject) => {
        const socket = createConnection(path);
        socket.once('connect', () => {
          socket.removeAllListeners('error');
          resolve(socket);
        });
        socket.once('error', error =>
          reject(
            new XsockError(
              'XENSTORE_GONE',
              `xenstored does not answer at '${path}': ${messageOf(error)}`,
              { subject: path, cause: error },
            ),
          ),
        );
      }),
  };
}
