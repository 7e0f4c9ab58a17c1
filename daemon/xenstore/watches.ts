/**
 * The watches of a client's users. They outlive connections: each is set on every new one, and
 * retried with back-off where xenstored refuses it, so that users need not handle either.
 */
import { isXsockError, messageOf, type XsockError } from '../errors.js';
import type { Connection } from './connection.js';
import { OWN_DOMID } from './paths.js';
import { joinFields, MessageType } from './wire.js';
import type { Watch, WatchProblemListener } from './xenstore.js';

const NOT_CONNECTED = 'there is no connection to xenstored';

interface Registered {
  readonly path: string;
  readonly token: string;
  readonly onEvent: (changed: string) => void;
  /** The connection on which it is set, or was requested: never twice. */
  on: Connection | undefined;
  /** Why it is not set; undefined while it is. */
  problem: string | undefined;
  /** Consecutive refusals. */
  refusals: number;
  retry: NodeJS.Timeout | undefined;
}

export interface WatchRegistryParts {
  /** As the transport says. */
  readonly watchesBlock: boolean;
  /** Milliseconds until a watch that was refused `refusals` times in a row is retried. */
  readonly retryDelay: (refusals: number) => number;
  readonly onProblem: WatchProblemListener;
}

export class WatchRegistry {
  readonly #parts: WatchRegistryParts;
  readonly #watches = new Map<string, Registered>();
  #connection: Connection | undefined;
  #nextToken = 1;

  constructor(parts: WatchRegistryParts) {
    this.#parts = parts;
  }

  /** Registers a watch of a checked path. Resolves once it is set, refused, or without a connection. */
  async add(path: string, onEvent: (changed: string) => void): Promise<Watch> {
    const watch: Registered = {
      path,
      token: String(this.#nextToken++),
      onEvent,
      on: undefined,
      problem: NOT_CONNECTED,
      refusals: 0,
      retry: undefined,
    };
    this.#watches.set(watch.token, watch);
    await this.#set(watch);
    return {
      get problem() {
        return watch.problem;
      },
      close: () => this.#remove(watch),
    };
  }

  fire(path: string, token: string): void {
    this.#watches.get(token)?.onEvent(path);
  }

  /** There is a connection; setAll() follows to set the existing watches on it. */
  connected(connection: Connection): void {
    this.#connection = connection;
  }

  /** Resolves when xenstored has answered for each, or the connection is gone. */
  async setAll(): Promise<void> {
    await Promise.all([...this.#watches.values()].map(watch => this.#set(watch)));
  }

  lost(): void {
    this.#connection = undefined;
    for (const watch of this.#watches.values()) {
      clearTimeout(watch.retry);
      watch.on = undefined;
      watch.problem = NOT_CONNECTED;
    }
  }

  close(): void {
    this.lost();
    this.#watches.clear();
  }

  async #set(watch: Registered): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || connection === watch.on) {
      return;
    }
    watch.on = connection;
    try {
      await this.#ask(connection, 'watch', watch);
    } catch (error) {
      if (!isXsockError(error)) {
        throw error;
      }
      // Without the connection: the next one sets it.
      if (connection === this.#connection && error.code !== 'XENSTORE_GONE') {
        this.#refused(watch, error);
      }
      return;
    }
    if (connection === this.#connection) {
      watch.problem = undefined;
      if (watch.refusals > 0) {
        watch.refusals = 0;
        this.#parts.onProblem(watch.path, undefined);
      }
    }
  }

  async #ask(
    connection: Connection,
    what: 'watch' | 'unwatch',
    { path, token }: Registered,
  ): Promise<void> {
    if (this.#parts.watchesBlock) {
      await alive(connection);
    }
    await connection.request(MessageType[what], 0, joinFields([path, token]));
  }

  #refused(watch: Registered, error: XsockError): void {
    watch.on = undefined;
    watch.refusals += 1;
    watch.problem = `xenstored refuses the watch on ${watch.path}: ${error.errno ?? messageOf(error)}`;
    if (watch.refusals === 1) {
      this.#parts.onProblem(watch.path, watch.problem);
    }
    if (this.#watches.has(watch.token)) {
      const wait = this.#parts.retryDelay(watch.refusals);
      watch.retry = setTimeout(() => void this.#set(watch), wait);
    }
  }

  async #remove(watch: Registered): Promise<void> {
    clearTimeout(watch.retry);
    if (!this.#watches.delete(watch.token) || watch.on === undefined) {
      return;
    }
    try {
      // After the request that sets it, should that be in flight: xenstored answers in order.
      await this.#ask(watch.on, 'unwatch', watch);
    } catch (error) {
      // ENOENT: it has just been refused.
      const notSet =
        isXsockError(error, 'XENSTORE_GONE') || isXsockError(error, 'XENSTORE', 'ENOENT');
      if (!notSet) {
        throw error;
      }
    }
  }
}

/** Resolves when xenstored has answered, with success or an error. Throws `XENSTORE_GONE`. */
async function alive(connection: Connection): Promise<void> {
  try {
    await connection.request(MessageType.read, 0, joinFields([OWN_DOMID]));
  } catch (error) {
    if (!isXsockError(error, 'XENSTORE')) {
      throw error;
    }
  }
}
