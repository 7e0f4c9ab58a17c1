/**
 * The xenstore client: keeps a connection and re-establishes it when it is lost, with all watches set again;
 * repeats transactions until they succeed.
 */
import { isXsockError, XsockError } from '../errors.js';
import { Connection } from './connection.js';
import { Operations } from './operations.js';
import { watchPathProblem } from './rules.js';
import { Transactions } from './transactions.js';
import type { XenstoreTransport } from './transport.js';
import { WatchRegistry } from './watches.js';
import type {
  Permission,
  Watch,
  WatchProblemListener,
  Xenstore,
  XenstoreOperations,
} from './xenstore.js';

export interface XenstoreOptions {
  /** Milliseconds before the nth attempt to reconnect (n from 0). Default: 100 doubling to 5,000. */
  readonly reconnectDelay?: (attempt: number) => number;
  /** Milliseconds before the nth repetition of a transaction. Default: up to 2 to the n, random. */
  readonly retryDelay?: (attempt: number) => number;
  /** Milliseconds after the nth consecutive refusal of a watch (n from 1). Default: 1,000 doubling to 60,000. */
  readonly refusedDelay?: (refusals: number) => number;
  /** Milliseconds that xenstored has for each answer, see Connection. Default: ANSWER_TIMEOUT. */
  readonly answerTimeout?: number;
}

/**
 * Milliseconds, far above what a busy xenstored takes. One that does not answer has hung: nothing that waits for
 * it (a start, a stop, a reload) may wait forever.
 */
const ANSWER_TIMEOUT = 10_000;

export class XenstoreClient implements Xenstore {
  readonly #transport: XenstoreTransport;
  readonly #reconnectDelay: (attempt: number) => number;
  readonly #answerTimeout: number;
  readonly #watches: WatchRegistry;
  readonly #transactions: Transactions;
  readonly #operations: Operations;
  readonly #connectionListeners: ((connected: boolean) => void)[] = [];
  readonly #problemListeners: WatchProblemListener[] = [];
  #connection: Connection | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  /** Attempts to reconnect since the listeners were last informed of a connection. */
  #attempts = 0;
  /** The last state reported to the listeners. */
  #reported = true;
  #closed = false;

  constructor(transport: XenstoreTransport, options: XenstoreOptions = {}) {
    this.#transport = transport;
    this.#reconnectDelay =
      options.reconnectDelay ?? (attempt => Math.min(100 * 2 ** attempt, 5_000));
    this.#answerTimeout = options.answerTimeout ?? ANSWER_TIMEOUT;
    this.#watches = new WatchRegistry({
      watchesBlock: transport.watchesBlock,
      retryDelay:
        options.refusedDelay ?? (refusals => Math.min(1_000 * 2 ** (refusals - 1), 60_000)),
      onProblem: (path, problem) => {
        for (const listener of this.#problemListeners) listener(path, problem);
      },
    });
    const live = (): Connection => this.#live();
    this.#transactions = new Transactions(
      live,
      options.retryDelay ?? (attempt => Math.random() * 2 ** Math.min(attempt, 7)),
    );
    this.#operations = new Operations(live, 0);
  }

  /** Connects for the first time. Throws `XENSTORE_GONE` if nobody answers. */
  async open(): Promise<void> {
    const stream = await this.#transport.connect();
    const { maxOutstanding } = this.#transport;
    const limits = { maxOutstanding, answerTimeout: this.#answerTimeout };
    this.#connection = new Connection(stream, limits, {
      onWatchEvent: (path, token) => this.#watches.fire(path, token),
      onEnd: () => this.#lost(),
    });
    this.#watches.connected(this.#connection);
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
  transaction<T>(body: (operations: XenstoreOperations) => Promise<T>): Promise<T> {
    return this.#transactions.run(body);
  }

  async watch(path: string, onEvent: (changed: string) => void): Promise<Watch> {
    const problem = watchPathProblem(path);
    if (problem !== undefined) {
      throw new XsockError('XENSTORE_INVALID', `xenstore watch '${path}': ${problem}`, {
        subject: path,
      });
    }
    return await this.#watches.add(path, onEvent);
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#connectionListeners.push(listener);
  }

  onWatchProblem(listener: WatchProblemListener): void {
    this.#problemListeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#reconnect);
    this.#watches.close();
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

  #lost(): void {
    this.#connection = undefined;
    this.#watches.lost();
    if (this.#closed) {
      return;
    }
    this.#report(false);
    this.#scheduleReconnect();
  }

  #report(connected: boolean): void {
    if (connected !== this.#reported) {
      this.#reported = connected;
      for (const listener of this.#connectionListeners) listener(connected);
    }
  }

  /** Longer each time, until a connection has lasted long enough to set the watches. */
  #scheduleReconnect(): void {
    const wait = this.#reconnectDelay(this.#attempts++);
    this.#reconnect = setTimeout(() => void this.#tryReconnect(), wait);
  }

  async #tryReconnect(): Promise<void> {
    try {
      await this.open();
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
      if (!this.#closed) {
        this.#scheduleReconnect();
      }
      return;
    }
    const connection = this.#connection;
    if (this.#closed) {
      connection?.close();
      return;
    }
    await this.#watches.setAll();
    // Gone again meanwhile: #lost() has then started over.
    if (connection !== undefined && connection === this.#connection) {
      this.#attempts = 0;
      this.#report(true);
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
