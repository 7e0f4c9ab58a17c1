/**
 * The nodes of one libxenvchan server of ours in xenstore. Removes exactly what it has written: other
 * programs of this domain may have nodes at the same place.
 */
import type { DomId, EventChannelPort, GrantRef } from '../ids.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { EVENT_CHANNEL, RING_REF } from '../xenstore/paths.js';
import type { Permission, Xenstore } from '../xenstore/xenstore.js';

export class VchanNodes {
  readonly #xenstore: Xenstore;
  readonly #path: string;
  readonly #permissions: readonly Permission[];
  /** By path, what was written last. */
  #written: ReadonlyMap<string, string> = new Map();

  /** `path` is absolute. */
  constructor(xenstore: Xenstore, path: string, self: DomId, peer: DomId) {
    this.#xenstore = xenstore;
    this.#path = path;
    this.#permissions = [
      { access: 'n', domid: self },
      { access: 'r', domid: peer },
    ];
  }

  /** Publishes this channel, in the place of an earlier one. */
  async publish(ringRef: GrantRef, eventChannel: EventChannelPort): Promise<void> {
    const nodes = new Map([
      [`${this.#path}/${RING_REF}`, String(ringRef)],
      [`${this.#path}/${EVENT_CHANNEL}`, String(eventChannel)],
    ]);
    // Before the transaction: should its answer be lost with the connection, the nodes may exist.
    this.#written = nodes;
    await this.#xenstore.transaction(async operations => {
      for (const [node, value] of nodes) {
        await operations.write(node, value);
        await operations.setPermissions(node, this.#permissions);
      }
      // Its watch fires on a removal of the directory only if it may read that, too.
      await operations.setPermissions(this.#path, this.#permissions);
    });
  }

  /** The nodes that still say what was written, and the directory if nothing else is in it. */
  async withdraw(): Promise<void> {
    const written = this.#written;
    if (written.size === 0) return;
    await this.#xenstore.transaction(async operations => {
      for (const [node, value] of written) {
        if ((await unlessAbsent(operations.read(node))) === value) await operations.remove(node);
      }
      const rest = await unlessAbsent(operations.list(this.#path));
      if (rest?.length === 0) await operations.remove(this.#path);
    });
    this.#written = new Map();
  }
}
