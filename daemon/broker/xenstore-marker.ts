/**
 * Whether to believe xenstore when it shows nothing. A xenstored that was killed comes back empty: its
 * domains and their links are as alive as before. Our own mark tells the two apart, looked for after each lost
 * connection: without one, only a restore, or somebody who rewrote our home, can have taken it. Once the store
 * was lost, a link that is up ends by its own signs alone (live byte, heartbeat).
 */
import type { Logger } from 'pino';
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import { daemonNode } from '../xenstore/paths.js';
import type { Xenstore } from '../xenstore/xenstore.js';

export interface XenstoreMarkerParts {
  readonly xenstore: Xenstore;
  readonly self: DomId;
  /** This start of the daemon: what the mark says. */
  readonly instance: string;
  readonly log: Logger;
}

export class XenstoreMarker {
  readonly #parts: XenstoreMarkerParts;
  /** The connection was lost since the mark was seen last. */
  #suspect = false;
  #lost = false;

  constructor(parts: XenstoreMarkerParts) {
    this.#parts = parts;
    parts.xenstore.onConnection(connected => {
      if (!connected) this.#suspect = true;
    });
  }

  /** Has it been seen without our mark? */
  get lost(): boolean {
    return this.#lost;
  }

  async write(): Promise<void> {
    const { xenstore, self, instance } = this.#parts;
    await xenstore.write(daemonNode(self), instance);
  }

  /** False: what is not there now may only be forgotten. */
  async isPresent(): Promise<boolean> {
    const { self } = this.#parts;
    if (this.#lost || (!this.#suspect && self === 0)) {
      return !this.#lost;
    }
    try {
      await this.#parts.xenstore.read(daemonNode(self));
      this.#suspect = false;
      return true;
    } catch (error) {
      if (isXsockError(error, 'XENSTORE_GONE')) {
        return false;
      }
      if (!isXsockError(error, 'XENSTORE')) {
        throw error;
      }
    }
    // A guest that was restored, perhaps: HomeWatch finds out, and then everything is opened anew.
    if (!this.#suspect) {
      return false;
    }
    // Several may have asked at the same time.
    if (!this.#lost) {
      this.#lost = true;
      this.#parts.log.warn('xenstored has come back without its contents: links that are up stay');
    }
    return false;
  }
}
