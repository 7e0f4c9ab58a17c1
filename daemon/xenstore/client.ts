/**
 * The xenstore client: keeps a connection, makes it anew when it is lost, sets the watches again and
 * runs transactions until they get through.
 */
import { isXsockError, XsockError } from '../errors.js';
import { Connection } from './connection.js';
import { Operations } from './operations.js';
import { watchPathProblem } from './rules.js';
import type { XenstoreTransport } from './transport.js';
import { joinFields, MessageType, splitFields } from './wire.js';
import type { Permission, Watch, Xenstore, XenstoreOperations } from './xenstore.js';

export interface XenstoreOptions {
  /** Milliseconds before the nth attempt to reconnect (n from 0). Default: 100 doubling to 5,000. */
  readonly reconnectDelay?: (attempt: number) => number;
  /** Milliseconds before the nth repetition of a transaction. Default: up to 2 to the n, random. */
  readonly retryDelay?: (attempt: number) => number;
}

const MAX_TRANSACTION_ATTEMPTS = 20;

interface RegisteredWatch {
  readonly path: string;
  readonly onEvent: (changed: string) => void;
}

const delay = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export class XenstoreClient implements Xenstore {
  readonly #transport: XenstoreTransport;
  readonly #reconnectDelay: (attempt: number) => number;
  readonly #retryDelay: (attempt: number) => number;
  readonly #watches = new Map<string, RegisteredWatch>();
  readonly #listeners: ((connected: boolean) => void)[] = [];
  readonly #operations: Operations;
  #connection: Connection | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  #nextToken = 1;
  #closed = false;

  constructor(transport: XenstoreTransport, options: XenstoreOptions = {}) {
    this.#transport = transport;
    this.#reconnectDelay =
      options.reconnectDelay ?? (attempt => Math.min(100 * 2 ** attempt, 5_000));
    this.#retryDelay = options.retryDelay ?? (attempt => Math.random() * 2 ** Math.min(attempt, 7));
    this.#operations = new Operations(() => this.#live(), 0);
  }

  /** Connects for the first time. Throws `XENSTORE_GONE` if nobody answers. */
  async open(): Promise<void> {
    const stream = await this.#transport.connect();
    this.#connection = new Connection(stream, this.#transport.maxOutstanding, {
      onWatchEvent: (path, token) => this.#watches.get(token)?.onEvent(path),
      onEnd: () => this.#lost(),
    });
  }

  read(path: string): Promise<string> {
    return this.#operations.read(path);
  }
  list(path: string): Promise<readonly string[]> {
    return this.#operations.list(path);
  }
  write(path: string, value: string): Promise<void> {
    return this.#operations.write(path, value);
  }
  mkdir(path: string): Promise<void> {
    return this.#operations.mkdir(path);
  }
  remove(path: string): Promise<void> {
    return this.#operations.remove(path);
  }
  getPermissions(path: string): Promise<readonly Permission[]> {
    return this.#operations.getPermissions(path);
  }
  setPermissions(path: string, permissions: readonly Permission[]): Promise<void> {
    return this.#operations.setPermissions(path, permissions);
  }

  async transaction<T>(body: (operations: XenstoreOperations) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      // All of one transaction on one connection: its id means nothing to the next.
      const connection = this.#live();
      const id = await startTransaction(connection);
      let result: T;
      try {
        result = await body(new Operations(() => connection, id));
      } catch (error) {
        await endTransaction(connection, id, false).catch((abort: unknown) => {
          if (!isXsockError(abort, 'XENSTORE_GONE')) {
            throw abort;
          }
        });
        throw error;
      }
      try {
        await endTransaction(connection, id, true);
        return result;
      } catch (error) {
        if (!isXsockError(error, 'XENSTORE', 'EAGAIN') || attempt >= MAX_TRANSACTION_ATTEMPTS) {
          throw error;
        }
        await delay(this.#retryDelay(attempt));
      }
    }
  }

  async watch(path: string, onEvent: (changed: string) => void): Promise<Watch> {
    const problem = watchPathProblem(path);
    if (problem !== undefined) {
      throw new XsockError('XENSTORE_INVALID', `xenstore watch '${path}': ${problem}`, {
        subject: path,
      });
    }
    const token = String(this.#nextToken++);
    this.#watches.set(token, { path, onEvent });
    try {
      await this.#live().request(MessageType.watch, 0, joinFields([path, token]));
    } catch (error) {
      this.#watches.delete(token);
      throw error;
    }
    return { close: () => this.#unwatch(path, token) };
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#reconnect);
    this.#watches.clear();
    this.#connection?.close();
  }

  #live(): Connection {
    if (this.#connection === undefined) {
      throw new XsockError(
        'XENSTORE_GONE',
        `there is no connection to xenstored at ${this.#transport.description}`,
      );
    }
    return this.#connection;
  }

  async #unwatch(path: string, token: string): Promise<void> {
    if (!this.#watches.delete(token) || this.#connection === undefined) {
      return;
    }
    try {
      await this.#connection.request(MessageType.unwatch, 0, joinFields([path, token]));
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
    }
  }

  #lost(): void {
    this.#connection = undefined;
    if (this.#closed) {
      return;
    }
    for (const listener of this.#listeners) {
      listener(false);
    }
    this.#scheduleReconnect(0);
  }

  #scheduleReconnect(attempt: number): void {
    this.#reconnect = setTimeout(() => {
      void this.#tryReconnect(attempt);
    }, this.#reconnectDelay(attempt));
  }

  async #tryReconnect(attempt: number): Promise<void> {
    try {
      await this.open();
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
      if (!this.#closed) {
        this.#scheduleReconnect(attempt + 1);
      }
      return;
    }
    if (this.#closed) {
      this.#connection?.close();
      return;
    }
    if (await this.#watchAgain()) {
      for (const listener of this.#listeners) {
        listener(true);
      }
    }
  }

  /** False if the connection went while at it: #lost() has then begun anew. */
  async #watchAgain(): Promise<boolean> {
    const connection = this.#live();
    try {
      await Promise.all(
        [...this.#watches].map(([token, { path }]) =>
          connection.request(MessageType.watch, 0, joinFields([path, token])),
        ),
      );
      return this.#connection === connection;
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        connection.close();
      }
      return false;
    }
  }
}

/** A connected client. Throws `XENSTORE_GONE` if nobody answers. */
export async function connectXenstore(
  transport: XenstoreTransport,
  options: XenstoreOptions = {},
): Promise<XenstoreClient> {
  const client = new XenstoreClient(transport, options);
  await client.open();
  return client;
}

async function startTransaction(connection: Connection): Promise<number> {
  const answer = await connection.request(MessageType.transactionStart, 0, joinFields(['']));
  return Number(splitFields(answer)?.[0]);
}

async function endTransaction(connection: Connection, id: number, commit: boolean): Promise<void> {
  await connection.request(MessageType.transactionEnd, id, joinFields([commit ? 'T' : 'F']));
}
