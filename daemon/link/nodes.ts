/**
 * What we publish for one peer in xenstore. Writes are serialised, in the order of the calls;
 * each node is readable by that peer alone.
 */

import { retryDelay } from '../backoff.js';
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import { Retry } from '../retry.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { EVENT_CHANNEL, INSTANCE, linkDirectory, OFFER_ID, RING_REF } from '../xenstore/paths.js';
import type { Permission, Xenstore, XenstoreOperations } from '../xenstore/xenstore.js';
import type { OfferAddress } from './machine.js';

export interface PublishedNodes {
  /** This start of the daemon; undefined: nothing at all. */
  readonly instance: string | undefined;
  readonly offer: OfferAddress | undefined;
}

export class LinkNodes {
  readonly #xenstore: Xenstore;
  readonly #directory: string;
  readonly #permissions: readonly Permission[];
  readonly #writes: Retry;
  #wanted: PublishedNodes = { instance: undefined, offer: undefined };
  /** Of the last write. */
  #error: unknown;

  /** `onFailure`: called when the nodes cannot be written; that is retried. */
  constructor(
    xenstore: Xenstore,
    self: DomId,
    peer: DomId,
    onFailure: (error: unknown) => void = () => undefined,
  ) {
    this.#xenstore = xenstore;
    this.#writes = new Retry({
      work: () => this.#attempt(),
      onFailure,
      delay: failures => retryDelay(failures, Math.random()),
    });
    this.#directory = linkDirectory(self, peer);
    this.#permissions = [
      { access: 'n', domid: self },
      { access: 'r', domid: peer },
    ];
  }

  /** Why the nodes are not as wanted, for people; undefined if they are, or xenstored is gone. */
  get problem(): string | undefined {
    return this.#writes.problem;
  }

  /**
   * Updates the nodes. Rejects with xenstored's error, and goes on retrying. Not when it is gone: what is
   * wanted is remembered, and again() publishes it once xenstored is back.
   */
  publish(change: Partial<PublishedNodes>): Promise<void> {
    this.#wanted = { ...this.#wanted, ...change };
    return this.again();
  }

  async again(): Promise<void> {
    await this.#writes.run();
    if (this.#error !== undefined) {
      throw this.#error;
    }
  }

  /** Removes all; nothing is written afterwards. Rejects with xenstored's error. */
  async close(): Promise<void> {
    try {
      await this.publish({ instance: undefined, offer: undefined });
    } finally {
      await this.#writes.stop();
    }
  }

  async #attempt(): Promise<void> {
    this.#error = undefined;
    try {
      await this.#write(this.#wanted);
    } catch (error) {
      this.#error = error;
      throw error;
    }
  }

  async #write({ instance, offer }: PublishedNodes): Promise<void> {
    try {
      if (instance === undefined) {
        await unlessAbsent(this.#xenstore.remove(this.#directory));
        return;
      }
      await this.#xenstore.transaction(async operations => {
        // When a domain is destroyed all its nodes go together, and a watch fires only on a removed node
        // that is watched itself and may be read: so the peer may read the directory that it watches.
        await operations.mkdir(this.#directory);
        await operations.setPermissions(this.#directory, this.#permissions);
        await this.#node(operations, INSTANCE, instance);
        await this.#node(operations, RING_REF, offer && String(offer.ringRef));
        await this.#node(operations, EVENT_CHANNEL, offer && String(offer.eventChannel));
        await this.#node(operations, OFFER_ID, offer && String(offer.id));
      });
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
    }
  }

  async #node(
    operations: XenstoreOperations,
    name: string,
    value: string | undefined,
  ): Promise<void> {
    const path = `${this.#directory}/${name}`;
    if (value === undefined) {
      // Absent: its parent does not exist either; or, after a restore, the home is no longer ours.
      await unlessAbsent(operations.remove(path));
      return;
    }
    await operations.write(path, value);
    await operations.setPermissions(path, this.#permissions);
  }
}
