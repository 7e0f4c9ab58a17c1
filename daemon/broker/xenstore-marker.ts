/**
 * This daemon's mark in xenstore, which shows whether missing nodes mean anything. A killed xenstored comes back empty: its
 * domains and their links are as alive as before. The mark tells the two cases apart; it is checked after each lost
 * connection: otherwise only a restore, or a program that rewrote our home, can have removed it. Once the contents
 * were lost, the end of a link is detected only by the link itself (live byte, heartbeat).
 */
import type { Logger } from 'pino';
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { daemonNode } from '../xenstore/paths.js';
import type { Xenstore } from '../xenstore/xenstore.js';

export interface XenstoreMarkerParts {
  readonly xenstore: Xenstore;
  readonly self: DomId;
  /** This start of the daemon: the value of the mark. */
  readonly instance: string;
  readonly log: Logger;
}

export class XenstoreMarker {
  readonly #parts: XenstoreMarkerParts;
  /** The connection was lost since the mark was last seen. */
  #suspect = false;
  #lost = false;

  constructor(parts: XenstoreMarkerParts) {
    this.#parts = parts;
    parts.xenstore.onConnection(connected => {
      if (!connected) this.#suspect = true;
    });
  }

  /** Whether xenstore was seen without our mark. */
  get lost(): boolean {
    return this.#lost;
  }

  async write(): Promise<void> {
    const { xenstore, self, instance } = this.#parts;
    await xenstore.write(daemonNode(self), instance);
  }

  /** False: missing nodes may only have been lost with xenstored's contents. */
  async isPresent(): Promise<boolean> {
    const { self } = this.#parts;
    if (this.#lost || (!this.#suspect && self === 0)) {
      return !this.#lost;
    }
    try {
      if ((await unlessAbsent(this.#parts.xenstore.read(daemonNode(self)))) !== undefined) {
        this.#suspect = false;
        return true;
      }
    } catch (error) {
      // Neither answer tells whether the mark is there: the same check is made the next time.
      if (isXsockError(error, 'XENSTORE_GONE') || isXsockError(error, 'XENSTORE')) {
        return false;
      }
      throw error;
    }
    // A guest that was restored, perhaps: HomeWatch finds out, and then everything is reopened.
    if (!this.#suspect) {
      return false;
    }
    // Several callers may have checked at the same time.
    if (!this.#lost) {
      this.#lost = true;
      this.#parts.log.warn('xenstored has come back without its contents: links that are up stay');
    }
    return false;
  }
}
