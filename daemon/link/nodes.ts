/**
 * What we publish for one peer in xenstore. Writes happen one after the other, in the order asked for;
 * each node is readable by that peer alone.
 */
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import { EVENT_CHANNEL, INSTANCE, linkDirectory, RING_REF } from '../xenstore/paths.js';
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
  #wanted: PublishedNodes = { instance: undefined, offer: undefined };
  #turn: Promise<void> = Promise.resolve();

  constructor(xenstore: Xenstore, self: DomId, peer: DomId) {
    this.#xenstore = xenstore;
    this.#directory = linkDirectory(self, peer);
    this.#permissions = [
      { access: 'n', domid: self },
      { access: 'r', domid: peer },
    ];
  }

  /**
   * Makes the nodes be so. Rejects with what xenstored says, but not when it is gone: what is wanted is
   * remembered, and again() publishes it once xenstored is back.
   */
  publish(change: Partial<PublishedNodes>): Promise<void> {
    this.#wanted = { ...this.#wanted, ...change };
    return this.again();
  }

  again(): Promise<void> {
    const result = this.#turn.then(() => this.#write(this.#wanted));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #write({ instance, offer }: PublishedNodes): Promise<void> {
    try {
      if (instance === undefined) {
        await this.#remove(this.#xenstore, this.#directory);
        return;
      }
      await this.#xenstore.transaction(async operations => {
        // When a domain is destroyed all its nodes go at once, and a watch fires only on a removed node
        // that is watched itself and may be read: so the peer may read the directory that it watches.
        await operations.mkdir(this.#directory);
        await operations.setPermissions(this.#directory, this.#permissions);
        await this.#node(operations, INSTANCE, instance);
        await this.#node(operations, RING_REF, offer && String(offer.ringRef));
        await this.#node(operations, EVENT_CHANNEL, offer && String(offer.eventChannel));
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
      await this.#remove(operations, path);
      return;
    }
    await operations.write(path, value);
    await operations.setPermissions(path, this.#permissions);
  }

  async #remove(operations: XenstoreOperations, path: string): Promise<void> {
    try {
      await operations.remove(path);
    } catch (error) {
      // Not even its parent is there; or, after a restore, the home is not ours any more.
      const notThere =
        isXsockError(error, 'XENSTORE', 'ENOENT') || isXsockError(error, 'XENSTORE', 'EACCES');
      if (!notThere) {
        throw error;
      }
    }
  }
}
