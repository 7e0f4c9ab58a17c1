/**
 * An export as a plain libxenvchan server for one peer: offers a channel, and a new one each time that a
 * stream has ended. A new offer has new numbers in xenstore, so a client that reconnects quickly never
 * finds the old one.
 */

import { retryDelay } from '../backoff.js';
import type { ExportConfig, VchanOffer } from '../config/config.js';
import type { VchanEvent, VchanOfferAddress, VchanPlane } from '../dataplane/vchan.js';
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import type { LineLog, PeerLogs } from '../log/peer-logs.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import { VchanNodes } from './nodes.js';
import { absolutePath } from './paths.js';

/** Rings of 64 KiB: with the control page 33 granted pages. */
const RING_ORDER = 16;

export interface ServerParts {
  readonly plane: VchanPlane;
  readonly xenstore: Xenstore;
  readonly self: DomId;
  readonly logs: PeerLogs;
}

type Ended = Extract<VchanEvent, { readonly kind: 'ended' }>;

export class VchanServer {
  readonly #parts: ServerParts;
  readonly #offer: VchanOffer;
  readonly #target: ExportConfig['target'];
  readonly #nodes: VchanNodes;
  readonly #log: LineLog;
  #relay: VchanOfferAddress | undefined;
  /** The nodes name the current relay, as far as we know. */
  #published = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  /** Offers and writes of nodes are serialised. */
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: ServerParts, { target }: ExportConfig, offer: VchanOffer) {
    this.#parts = parts;
    this.#offer = offer;
    this.#target = target;
    const path = absolutePath(parts.self, offer.path);
    this.#nodes = new VchanNodes(parts.xenstore, path, parts.self, offer.peer);
    this.#log = parts.logs.of(offer.peer, { vchan: path });
  }

  start(): void {
    this.#next(() => this.#begin());
  }

  handle(event: Ended): void {
    if (event.relay !== this.#relay?.relay) {
      return;
    }
    this.#relay = undefined;
    const { reason, detail, bytesSent, bytesReceived } = event;
    this.#log.info({ reason, detail, bytesSent, bytesReceived }, 'raw stream has ended');
    const failed = reason === 'target-unavailable' || reason === 'corrupt';
    this.#failures = failed ? this.#failures + 1 : 0;
    this.#again();
  }

  /** What we published may be lost. The channel is unchanged, and so is its client. */
  publishAgain(): void {
    this.#published = false;
    this.#next(() => this.#begin());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await this.#turn;
    if (this.#relay !== undefined) {
      this.#parts.plane.terminate(this.#relay.relay);
    }
    await this.#withdraw();
  }

  #again(): void {
    clearTimeout(this.#retry);
    if (this.#stopped) {
      return;
    }
    const wait = this.#failures === 0 ? 0 : retryDelay(this.#failures, Math.random());
    this.#retry = setTimeout(() => this.#next(() => this.#begin()), wait);
  }

  #next(step: () => Promise<void>): void {
    this.#turn = this.#turn.then(step).catch((error: unknown) => {
      // Published again when xenstored is back.
      if (isXsockError(error, 'XENSTORE_GONE')) {
        return;
      }
      this.#failures += 1;
      this.#log.error({ err: error }, 'failed to offer the vchan server');
      this.#again();
    });
  }

  async #begin(): Promise<void> {
    if (this.#stopped) {
      return;
    }
    if (this.#relay === undefined) {
      this.#published = false;
      this.#relay = await this.#parts.plane.serve(this.#offer.peer, RING_ORDER, this.#target);
    }
    if (!this.#published) {
      // Before it is written: a request meanwhile causes one more write.
      this.#published = true;
      const { ringRef, eventChannel } = this.#relay;
      try {
        await this.#nodes.publish(ringRef, eventChannel);
      } catch (error) {
        this.#published = false;
        throw error;
      }
    }
  }

  async #withdraw(): Promise<void> {
    try {
      await this.#nodes.withdraw();
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE') && !isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
    }
  }
}
