/**
 * A data plane that only listens: real UNIX sockets, bound under another name and renamed, as the pump
 * does it. Nothing is ever carried.
 */
import { once } from 'node:events';
import { chmodSync, lstatSync, renameSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import type {
  Dataplane,
  ListenerHandle,
  ListenerOptions,
} from '../../daemon/dataplane/dataplane.js';
import type { ListenerId } from '../../daemon/ids.js';

function unused(): never {
  throw new Error('the view has no business with this');
}

export class ListeningDataplane implements Dataplane {
  /** Every listen() and unlisten(), in order. */
  readonly calls: string[] = [];
  readonly open = new Map<ListenerId, Server>();
  /** Awaited by every listen() after its socket has been bound. */
  beforeListening: (options: ListenerOptions) => void | Promise<void> = () => undefined;
  #next = 1;

  async listen(options: ListenerOptions): Promise<ListenerHandle> {
    const id = this.#next++ as ListenerId;
    const server = createServer(socket => socket.destroy());
    if (options.kind === 'tcp') {
      this.calls.push(`listen ${options.host}:${options.port}`);
      this.open.set(id, server);
      return { id, device: 0n, inode: 0n };
    }
    this.calls.push(`listen ${options.path}`);
    const temporary = join(dirname(options.path), `~${id}`);
    server.listen(temporary);
    await once(server, 'listening');
    chmodSync(temporary, options.mode);
    try {
      await this.beforeListening(options);
    } catch (error) {
      server.close();
      throw error;
    }
    renameSync(temporary, options.path);
    this.open.set(id, server);
    const { dev, ino } = lstatSync(options.path, { bigint: true });
    return { id, device: dev, inode: ino };
  }

  async unlisten(listener: ListenerId): Promise<void> {
    this.calls.push('unlisten');
    this.open.get(listener)?.close();
    this.open.delete(listener);
  }

  onEvents = unused;
  offer = unused;
  connect = unused;
  connectSelf = unused;
  closeLink = unused;
  setExports = unused;
  sendServices = unused;
  streams = unused;
  counters = unused;
  resetStream = unused;
  setLimits = unused;
  reportStreams = unused;
  domainChecked = unused;
  alive = unused;

  async close(): Promise<void> {
    for (const server of this.open.values()) {
      server.close();
    }
  }
}
