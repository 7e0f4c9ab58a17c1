/**
 * This daemon's presence in xenstore: its mark, and everything that it publishes. Written again when xenstored is
 * back, and when another program has rewritten the domain's home.
 */
import type { Logger } from 'pino';
import { retryDelay } from '../backoff.js';
import { HomeWatch } from '../discovery/home-watch.js';
import { isXsockError } from '../errors.js';
import type { DomId, EventChannelPort } from '../ids.js';
import { Retry } from '../retry.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import type { XenstoreMarker } from './xenstore-marker.js';

export interface PresenceParts {
  readonly xenstore: Xenstore;
  readonly marker: XenstoreMarker;
  readonly self: DomId;
  /** This start of the daemon. */
  readonly instance: string;
  readonly log: Logger;
  /** Called to write again all that is published besides the mark. It throws if that has to be retried. */
  readonly publish: () => Promise<void>;
  /** The domain was saved and restored: everything that was opened is invalid. */
  readonly onRestored: () => void;
  /**
   * At a check the domain was still the one in which everything was opened. `ports`: event channels whose close
   * was deferred before it began.
   */
  readonly onSame: (ports: readonly EventChannelPort[]) => void;
}

export class Presence {
  readonly #parts: PresenceParts;
  readonly #home: HomeWatch;
  readonly #publishing: Retry;
  #connected = true;
  /** Since the connection was last lost. */
  #published = true;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    const { xenstore, self, instance, log } = parts;
    this.#home = new HomeWatch({
      xenstore,
      domid: self,
      instance,
      log,
      onRestored: parts.onRestored,
      onSame: ports => this.#onSame(ports),
      onRewritten: ports => this.#onRewritten(ports),
    });
    this.#publishing = new Retry({
      work: () => this.#publish(),
      onFailure: error => log.error({ err: error }, 'failed to write our nodes; retrying'),
      delay: failures => retryDelay(failures, Math.random()),
    });
  }

  /** Whether there is a connection to xenstored. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Writes the mark. Throws `XENSTORE`, `XENSTORE_GONE`. */
  async start(): Promise<void> {
    const { xenstore, marker } = this.#parts;
    xenstore.onConnection(connected => this.#onConnection(connected));
    xenstore.onWatchProblem((path, problem) => this.#onWatchProblem(path, problem));
    await marker.write();
    await this.#home.start();
  }

  /** Checks whether this is still the same domain, not a restored one; see onSame and onRestored. */
  closesDeferred(ports: readonly EventChannelPort[]): void {
    this.#home.closesDeferred(ports);
  }

  /** Nothing is rewritten from now on. */
  async stop(): Promise<void> {
    await this.#home.close();
    await this.#publishing.stop();
  }

  #onConnection(connected: boolean): void {
    const { log } = this.#parts;
    this.#connected = connected;
    if (connected) {
      log.info('xenstored is back');
      this.#home.look();
    } else {
      this.#published = false;
      log.warn(
        'the connection to xenstored is lost: links stay, peers that come or go are not seen, and what is allowed to a domain by name takes no new streams until it is back',
      );
    }
  }

  #onWatchProblem(path: string, problem: string | undefined): void {
    const { log } = this.#parts;
    if (problem === undefined) {
      log.info({ path }, 'xenstored has accepted the watch');
    } else {
      log.error(
        { path },
        `${problem}: changes there are not seen; raise xenstored's quota of watches or lower the number of peers (docs/xen.md); retrying`,
      );
    }
  }

  #onSame(ports: readonly EventChannelPort[]): void {
    this.#parts.onSame(ports);
    if (!this.#published) {
      void this.#publishing.run();
    }
  }

  #onRewritten(ports: readonly EventChannelPort[]): void {
    this.#parts.onSame(ports);
    if (this.#published) {
      this.#parts.log.warn(
        'our nodes were removed from xenstore by somebody else: they are written again',
      );
    }
    void this.#publishing.run();
  }

  async #publish(): Promise<void> {
    const { marker, publish } = this.#parts;
    try {
      // The mark is checked before it is rewritten.
      await marker.isPresent();
      await marker.write();
      await publish();
      this.#published = this.#connected;
    } catch (error) {
      // Once more when xenstored is back.
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
    }
  }
}
