/** The transport to xenstored: the part that differs between dom0, guests and the loopback machine. */
import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf, XsockError } from '../errors.js';

/** xenstored allows a guest 20; some stay free for others in this domain. */
const SOCKET_MAX_OUTSTANDING = 16;

export interface XenstoreTransport {
  /** For people: where it leads. */
  readonly description: string;
  /** Requests that may be in flight on one connection. */
  readonly maxOutstanding: number;
  /**
   * Setting or removing a watch blocks this whole process, uninterruptibly, until xenstored has answered: it
   * is done only just after xenstored has answered something else.
   */
  readonly watchesBlock: boolean;
  /** A new connection. Throws `XENSTORE_GONE` if nobody answers. */
  connect(): Promise<Duplex>;
}

/** xenstored's UNIX socket: dom0's `/run/xenstored/socket`, or that of a loopback domain. */
export function unixTransport(path: string): XenstoreTransport {
  return {
    description: path,
    maxOutstanding: SOCKET_MAX_OUTSTANDING,
    watchesBlock: false,
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
