/**
 * Transactions of one client, one after the other. Those of one daemon touch the same parent nodes, so that concurrent
 * ones would only make each other start over; and a guest may have no more than ten open.
 */
import { isXsockError } from '../errors.js';
import type { Connection } from './connection.js';
import { Operations } from './operations.js';
import { joinFields, MessageType, splitFields } from './wire.js';
import type { XenstoreOperations } from './xenstore.js';

/** Others (the toolstack) may change the same nodes meanwhile: EAGAIN. */
const MAX_ATTEMPTS = 20;

const delay = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export class Transactions {
  readonly #live: () => Connection;
  readonly #retryDelay: (attempt: number) => number;
  #turn: Promise<unknown> = Promise.resolve();

  /** `live` throws `XENSTORE_GONE` if there is no connection. */
  constructor(live: () => Connection, retryDelay: (attempt: number) => number) {
    this.#live = live;
    this.#retryDelay = retryDelay;
  }

  /** Runs after earlier ones. Throws what `body` throws, or xenstored's error. */
  run<T>(body: (operations: XenstoreOperations) => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => this.#attempt(body));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #attempt<T>(body: (operations: XenstoreOperations) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      // All of one transaction on one connection: its id means nothing to the next.
      const connection = this.#live();
      const id = await begin(connection);
      let result: T;
      try {
        result = await body(new Operations(() => connection, id));
      } catch (error) {
        await end(connection, id, false).catch((abort: unknown) => {
          if (!isXsockError(abort, 'XENSTORE_GONE')) {
            throw abort;
          }
        });
        throw error;
      }
      try {
        await end(connection, id, true);
        return result;
      } catch (error) {
        if (!isXsockError(error, 'XENSTORE', 'EAGAIN') || attempt >= MAX_ATTEMPTS) {
          throw error;
        }
        await delay(this.#retryDelay(attempt));
      }
    }
  }
}

async function begin(connection: Connection): Promise<number> {
  const answer = await connection.request(MessageType.transactionStart, 0, joinFields(['']));
  return Number(splitFields(answer)?.[0]);
}

async function end(connection: Connection, id: number, commit: boolean): Promise<void> {
  await connection.request(MessageType.transactionEnd, id, joinFields([commit ? 'T' : 'F']));
}
