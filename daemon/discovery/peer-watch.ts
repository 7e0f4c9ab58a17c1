/**
 * What one peer publishes for us: one watch on its directory for us, everything below read again on every
 * event. All values are peer-controlled and are checked here.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { retryDelay } from '../backoff.js';
import { isXsockError } from '../errors.js';
import type { DomId, EventChannelPort, GrantRef } from '../ids.js';
import type { OfferAddress } from '../link/machine.js';
import type { LineLog } from '../log/peer-logs.js';
import { Retry } from '../retry.js';
import { escapeForDisplay } from '../text/escape.js';
import { TokenBucket } from '../token-bucket.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { EVENT_CHANNEL, INSTANCE, linkDirectory, OFFER_ID, RING_REF } from '../xenstore/paths.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';

export interface Observation {
  /** 32 hexadecimal digits; undefined: the peer's daemon, or the peer, is not there. */
  readonly instance: string | undefined;
  readonly offer: OfferAddress | undefined;
}

const NOTHING: Observation = { instance: undefined, offer: undefined };
/**
 * Limits reads of one peer's nodes: each may make us offer or take up a link, so a peer that rewrites
 * them in a loop must not set our pace. A link that comes up needs three or four.
 */
const LOOKS_AT_ONCE = 16;
const LOOKS_PER_SECOND = 10;

const INSTANCE_ID = /^[0-9a-f]{32}$/;
/** u32, never 0 (xen/public/grant_table.h, event_channel.h). */
const NUMBER = /^[1-9]\d{0,9}$/;

function parseNumber(text: string | undefined): number | undefined {
  const value = text !== undefined && NUMBER.test(text) ? Number(text) : undefined;
  return value !== undefined && value <= 0xffff_ffff ? value : undefined;
}

export class PeerWatch {
  readonly #xenstore: Xenstore;
  readonly #directory: string;
  readonly #log: LineLog;
  readonly #onObservation: (observation: Observation) => Promise<void>;
  readonly #pace = new TokenBucket(LOOKS_AT_ONCE, LOOKS_PER_SECOND);
  readonly #look: Retry;
  #watch: Watch | undefined;
  #closed = false;

  constructor(
    xenstore: Xenstore,
    { self, peer }: { readonly self: DomId; readonly peer: DomId },
    log: LineLog,
    onObservation: (observation: Observation) => Promise<void>,
  ) {
    this.#xenstore = xenstore;
    this.#directory = linkDirectory(peer, self);
    this.#log = log;
    this.#onObservation = onObservation;
    this.#look = new Retry({
      work: () => this.#observe(),
      onFailure: error => log.error({ err: error }, "failed to read the peer's nodes; retrying"),
      delay: failures => retryDelay(failures, Math.random()),
    });
  }

  /** Why the peer is not observed, for people; undefined if it is. */
  get problem(): string | undefined {
    return this.#watch?.problem ?? this.#look.problem;
  }

  /** Observes from now on; xenstore fires every new watch once, so the first read follows. */
  async start(): Promise<void> {
    const watch = await this.#xenstore.watch(this.#directory, () => void this.#look.run());
    if (this.#closed) {
      await watch.close();
      return;
    }
    this.#watch = watch;
  }

  async close(): Promise<void> {
    this.#closed = true;
    void this.#look.stop();
    await this.#watch?.close();
  }

  /** One read, once the rate limit allows it. */
  async #observe(): Promise<void> {
    for (let wait = this.#pace.take(); wait > 0; wait = this.#pace.take()) {
      await delay(wait, undefined, { ref: false });
    }
    try {
      const observation = this.#closed ? undefined : await this.#read();
      if (observation !== undefined && !this.#closed) {
        await this.#onObservation(observation);
      }
    } catch (error) {
      // With xenstored gone the links stay; it fires all watches when it is back.
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
    }
  }

  /** Undefined: the peer has made another offer meanwhile; the watch fires for it. */
  async #read(): Promise<Observation | undefined> {
    const [id, instance, ringRef, eventChannel, idAfterwards] = await Promise.all([
      this.#node(OFFER_ID),
      this.#node(INSTANCE),
      this.#node(RING_REF),
      this.#node(EVENT_CHANNEL),
      this.#node(OFFER_ID),
    ]);
    if (id !== idAfterwards) {
      return undefined;
    }
    if (instance === undefined) {
      return NOTHING;
    }
    if (!INSTANCE_ID.test(instance)) {
      this.#ignored(INSTANCE, instance);
      return NOTHING;
    }
    return { instance, offer: this.#offer(ringRef, eventChannel, id) };
  }

  #offer(
    ringRefText: string | undefined,
    portText: string | undefined,
    idText: string | undefined,
  ): OfferAddress | undefined {
    const ringRef = parseNumber(ringRefText);
    const eventChannel = parseNumber(portText);
    if (ringRef === undefined || eventChannel === undefined) {
      if (ringRefText !== undefined && ringRef === undefined) {
        this.#ignored(RING_REF, ringRefText);
      }
      if (portText !== undefined && eventChannel === undefined) {
        this.#ignored(EVENT_CHANNEL, portText);
      }
      return undefined;
    }
    const id = parseNumber(idText);
    if (idText !== undefined && id === undefined) {
      this.#ignored(OFFER_ID, idText);
    }
    return { ringRef: ringRef as GrantRef, eventChannel: eventChannel as EventChannelPort, id };
  }

  #node(name: string): Promise<string | undefined> {
    return unlessAbsent(this.#xenstore.read(`${this.#directory}/${name}`));
  }

  #ignored(node: string, value: string): void {
    this.#log.warn({ node, value: escapeForDisplay(value) }, 'ignoring malformed xenstore value');
  }
}
