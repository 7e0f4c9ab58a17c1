/** socat, a process for each connection; between the pair a UNIX socket or TCP. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { openPair, type Peer } from './peer.js';

const NEEDS = [{ program: 'socat', package: 'socat' }];
const VERSION = ['socat', '-V'];
/** Two processes for each connection. */
const MAX_IDLE = 1000;

const listenAt = (path: string): string => `UNIX-LISTEN:${path},fork,backlog=4096`;
const socat = (from: string, to: string): string[] => ['socat', '-b', '65536', from, to];

export const socatUnix: Peer = {
  id: 'socat-unix',
  title: 'socat, UNIX',
  needs: NEEDS,
  version: VERSION,
  // A process for each connection.
  descriptors: 0,
  maxIdle: MAX_IDLE,
  open: (directory, placement) =>
    openPair(directory, placement, async (listen, connect) =>
      socat(listenAt(listen), `UNIX-CONNECT:${connect}`),
    ),
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export const socatTcp: Peer = {
  id: 'socat-tcp',
  title: 'socat, TCP',
  needs: NEEDS,
  version: VERSION,
  // A process for each connection.
  descriptors: 0,
  maxIdle: MAX_IDLE,
  open: async (directory, placement) =>
    openPair(
      directory,
      placement,
      async (listen, connect) => socat(listenAt(listen), `TCP4:${connect},nodelay`),
      async (listen, connect) => {
        const port = listen.split(':')[1];
        return socat(
          `TCP4-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork,backlog=4096,nodelay`,
          `UNIX-CONNECT:${connect}`,
        );
      },
      `127.0.0.1:${await freePort()}`,
    ),
};
