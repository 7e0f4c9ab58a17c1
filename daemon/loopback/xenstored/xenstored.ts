/**
 * The loopback machine's xenstored: Xen's wire protocol on one UNIX socket per domain. A client
 * of a domain's socket acts as that domain.
 */

import { chmod } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { Connection } from './connection.js';
import { createHome, type Home, removeHome } from './home.js';
import { DEFAULT_LIMITS, type XenstoredLimits } from './limits.js';
import { Store, type StoreCounts } from './store.js';

interface Domain {
  readonly server: Server;
  readonly connections: Set<Connection>;
  home: Home | undefined;
}

export class Xenstored {
  readonly #store: Store;
  readonly #domains = new Map<number, Domain>();

  constructor(limits: Partial<XenstoredLimits> = {}) {
    this.#store = new Store({ ...DEFAULT_LIMITS, ...limits });
  }

  /** Opens the socket that gives the domain's access (mode 0600). */
  async listen(domid: number, socketPath: string): Promise<void> {
    const connections = new Set<Connection>();
    const server = createServer({ allowHalfOpen: false }, socket => {
      const connection = new Connection(socket, this.#store, domid);
      connections.add(connection);
      socket.once('close', () => connections.delete(connection));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socketPath, () => {
        server.off('error', reject);
        resolve();
      });
    });
    await chmod(socketPath, 0o600);
    this.#domains.set(domid, { server, connections, home: undefined });
  }

  createHome(home: Home): void {
    createHome(this.#store, home);
    const domain = this.#domains.get(home.domid);
    if (domain !== undefined) {
      domain.home = home;
    }
  }

  /** Watches of those who could read the nodes fire: that is how a guest notices a peer's end. */
  removeHome(domid: number): void {
    const home = this.#domains.get(domid)?.home;
    if (home !== undefined) {
      removeHome(this.#store, home);
    }
  }

  /** The domain exists: fires `@introduceDomain`. */
  introduce(domid: number): void {
    this.#store.introduce(domid);
  }

  /** The domain is gone: drops its connections, forgets its rights, fires `@releaseDomain`. */
  release(domid: number): void {
    const domain = this.#domains.get(domid);
    if (domain !== undefined) {
      this.#domains.delete(domid);
      domain.server.close();
      for (const connection of domain.connections) {
        connection.destroy();
      }
    }
    this.#store.release(domid);
  }

  counts(): ReadonlyMap<number, StoreCounts> {
    return new Map([...this.#domains.keys()].map(domid => [domid, this.#store.counts(domid)]));
  }

  async close(): Promise<void> {
    const servers = [...this.#domains.values()];
    this.#domains.clear();
    await Promise.all(
      servers.map(
        ({ server, connections }) =>
          new Promise<void>(resolve => {
            server.close(() => resolve());
            for (const connection of connections) {
              connection.destroy();
            }
          }),
      ),
    );
  }
}
