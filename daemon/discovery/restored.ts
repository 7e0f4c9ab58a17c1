/**
 * Tells whether this domain was saved and restored, or migrated. Grants and event channels do not come along,
 * the domid may be another, and what we had published is gone; open links are dead without a word. Linux
 * sets all watches again then, so each fires: that is the one sign that there is.
 *
 * Not for domain 0, which cannot be restored, but can lose xenstored with all its nodes.
 */
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import { daemonNode, OWN_DOMID } from '../xenstore/paths.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';

export interface RestoreWatchParts {
  readonly xenstore: Xenstore;
  readonly domid: DomId;
  /** The mark of this start of the daemon. */
  readonly instance: string;
  /** The mark is lost, under this domid or with the domid. Called once. */
  readonly onRestored: () => void;
  /** At the time of a look the domain was the one that it was. */
  readonly onSame: () => void;
}

export class RestoreWatch {
  readonly #parts: RestoreWatchParts;
  #watch: Watch | undefined;
  #restored = false;

  constructor(parts: RestoreWatchParts) {
    this.#parts = parts;
  }

  async start(): Promise<void> {
    this.#watch = await this.#parts.xenstore.watch(OWN_DOMID, () => this.look());
  }

  /** Looks now; what is found is told by the callbacks. */
  look(): void {
    this.#look().catch((error: unknown) => {
      // The watch fires again when xenstored is back.
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  async #look(): Promise<void> {
    const { domid, instance, onRestored, onSame } = this.#parts;
    const same =
      (await this.#read(OWN_DOMID)) === String(domid) &&
      (await this.#read(daemonNode(domid))) === instance;
    if (this.#restored) {
      return;
    }
    if (same) {
      onSame();
    } else {
      this.#restored = true;
      onRestored();
    }
  }

  async #read(path: string): Promise<string | undefined> {
    try {
      return await this.#parts.xenstore.read(path);
    } catch (error) {
      if (isXsockError(error, 'XENSTORE')) {
        return undefined;
      }
      throw error;
    }
  }
}
