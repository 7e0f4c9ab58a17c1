/**
 * Maintains the link with one peer: feeds events to the machine and executes its commands.
 * Owns the timers and the published nodes; knows nothing of services.
 */
import { randomInt } from 'node:crypto';
import { retryDelay, SETTLED_MS } from '../backoff.js';
import type { Dataplane, DataplaneEvent, RingOrder } from '../dataplane/dataplane.js';
import { messageOf } from '../errors.js';
import type { DomId, LinkId } from '../ids.js';
import type { LineLog } from '../log/peer-logs.js';
import {
  createMachine,
  describeDown,
  type LinkCommand,
  type LinkEvent,
  type LinkMachine,
  type LinkState,
  linkOf,
  type OfferAddress,
  step,
} from './machine.js';
import type { LinkNodes } from './nodes.js';

export interface SupervisorParts {
  readonly self: DomId;
  readonly peer: DomId;
  readonly dataplane: Dataplane;
  readonly nodes: LinkNodes;
  readonly log: LineLog;
  /** Of the links offered from now on. */
  readonly ringOrder: () => RingOrder;
  /** A link exists; it is not up yet. The moment to set what the peer may open. */
  readonly onLink: (link: LinkId) => void;
  readonly onUp: (link: LinkId) => void;
  /** The peer accepts no new streams; open ones may finish. */
  readonly onDraining: () => void;
  readonly onDown: (link: LinkId, reason: string) => void;
  /** 0..1, for the back-off. */
  readonly random?: () => number;
}

/** The last end of a link, or the last failure to set one up. */
export interface LinkEnd {
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

type Executors = {
  readonly [Kind in LinkCommand['kind']]: (
    command: Extract<LinkCommand, { readonly kind: Kind }>,
  ) => void;
};

type LinkUpdate = Extract<
  DataplaneEvent,
  { readonly kind: 'link-up' | 'link-down' | 'link-draining' }
>;

export class LinkSupervisor {
  readonly #parts: SupervisorParts;
  readonly #executors: Executors;
  readonly #closing = new Set<Promise<void>>();
  #machine: LinkMachine;
  #since = Date.now();
  #lastEnd: LinkEnd | undefined;
  #features = 0;
  #retry: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#machine = createMachine(parts.self > parts.peer ? 'server' : 'client');
    this.#executors = {
      offer: ({ ticket }) => void this.#offer(ticket),
      publish: ({ address }) => void this.#publish(address),
      withdraw: () => void this.#withdraw(),
      connect: ({ ticket, address }) => void this.#connect(ticket, address),
      close: ({ link }) => this.#close(link, 0),
      'schedule-retry': ({ failures }) => this.#scheduleRetry(failures),
      'cancel-retry': () => clearTimeout(this.#retry),
      'came-up': ({ link }) => this.#cameUp(link),
      drains: () => parts.onDraining(),
      'went-down': ({ link, reason, detail }) => this.#wentDown(link, reason, detail),
    };
  }

  get state(): LinkState {
    return this.#machine.state;
  }

  /** Milliseconds since the epoch when the state was entered. */
  get since(): number {
    return this.#since;
  }

  /** Kept whatever follows; undefined: there was none. */
  get lastEnd(): LinkEnd | undefined {
    return this.#lastEnd;
  }

  /** The features negotiated with the peer, as bits (docs/protocol.md, 8); undefined while no link is up. */
  get features(): number | undefined {
    return this.#machine.state.kind === 'up' ? this.#features : undefined;
  }

  get link(): LinkId | undefined {
    return linkOf(this.#machine.state);
  }

  /** What the peer publishes for us. */
  observe(instance: string | undefined, offer: OfferAddress | undefined): void {
    this.#feed({ kind: 'observed', instance, offer });
  }

  handle(event: LinkUpdate): void {
    if (event.kind === 'link-up' && event.link === this.link) {
      this.#features = event.features;
    }
    this.#feed(event);
  }

  /**
   * The peer violated the protocol above frames, or is no longer wanted: ends the link now. If the peer
   * is still there, the link is retried after a back-off.
   */
  drop(link: LinkId, why: string): void {
    this.#feed({ kind: 'link-down', link, reason: 'corrupt', detail: why });
    this.#close(link, 0);
  }

  /** Ends the link (streams get `drain` milliseconds), removes the nodes. Resolves when all is done. */
  async stop(drain: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#settling);
    const link = this.link;
    if (link !== undefined) {
      this.#close(link, drain);
    }
    await Promise.all(this.#closing);
    await this.#parts.nodes.close();
  }

  #feed(event: LinkEvent): void {
    const before = this.#machine.state;
    const { machine, commands } = step(this.#machine, event);
    this.#machine = machine;
    if (machine.state.kind !== before.kind) {
      this.#since = Date.now();
    }
    if (machine.state.kind === 'down' && machine.state !== before) {
      this.#lastEnd = { reason: machine.state.reason, at: Date.now() };
    }
    for (const command of commands) {
      this.#execute(command);
    }
  }

  #execute<Kind extends LinkCommand['kind']>(
    command: Extract<LinkCommand, { readonly kind: Kind }>,
  ): void {
    const kind: Kind = command.kind as Kind;
    this.#executors[kind](command);
  }

  async #offer(ticket: number): Promise<void> {
    try {
      const offer = await this.#parts.dataplane.offer(this.#parts.peer, this.#parts.ringOrder());
      this.#parts.onLink(offer.link);
      const { ringRef, eventChannel } = offer;
      const address = { ringRef, eventChannel, id: randomInt(1, 2 ** 32) };
      this.#settled({ kind: 'offered', ticket, link: offer.link, address });
    } catch (error) {
      this.#settled({ kind: 'failed', ticket, why: messageOf(error) });
    }
  }

  async #connect(ticket: number, { ringRef, eventChannel }: OfferAddress): Promise<void> {
    try {
      const link = await this.#parts.dataplane.connect(this.#parts.peer, ringRef, eventChannel);
      this.#parts.onLink(link);
      this.#settled({ kind: 'connected', ticket, link });
    } catch (error) {
      this.#settled({ kind: 'failed', ticket, why: messageOf(error) });
    }
  }

  /** What a result brings after stop() is released. */
  #settled(event: Extract<LinkEvent, { readonly kind: 'offered' | 'connected' | 'failed' }>): void {
    if (event.kind === 'failed') {
      this.#parts.log.warn({ why: event.why }, 'failed to make the link');
    }
    if (!this.#stopped) {
      this.#feed(event);
    } else if (event.kind !== 'failed') {
      this.#close(event.link, 0);
    }
  }

  async #publish(offer: OfferAddress): Promise<void> {
    try {
      await this.#parts.nodes.publish({ offer });
    } catch (error) {
      const why = `the offer could not be published: ${messageOf(error)}`;
      this.#parts.log.error({ why: messageOf(error) }, 'failed to publish the offer of a link');
      if (!this.#stopped) {
        this.#feed({ kind: 'unpublished', address: offer, why });
      }
    }
  }

  async #withdraw(): Promise<void> {
    try {
      await this.#parts.nodes.publish({ offer: undefined });
    } catch (error) {
      this.#parts.log.error({ err: error }, 'failed to withdraw the offer of a link');
    }
  }

  #close(link: LinkId, drain: number): void {
    const closing = this.#parts.dataplane
      .closeLink(link, drain)
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'failed to close a link'))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #scheduleRetry(failures: number): void {
    clearTimeout(this.#retry);
    if (this.#stopped) {
      return;
    }
    const random = this.#parts.random ?? Math.random;
    this.#retry = setTimeout(() => this.#feed({ kind: 'retry' }), retryDelay(failures, random()));
  }

  #cameUp(link: LinkId): void {
    this.#parts.log.info('link is up');
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.#feed({ kind: 'settled', link }), SETTLED_MS);
    this.#parts.onUp(link);
  }

  #wentDown(link: LinkId, reason: string, detail: string): void {
    this.#lastEnd = { reason: describeDown(reason, detail), at: Date.now() };
    const fields = { reason, ...(detail === '' ? {} : { detail }) };
    if (reason === 'goodbye') {
      this.#parts.log.info(fields, 'the peer has said goodbye');
    } else if (reason === 'closed') {
      this.#parts.log.info(fields, 'link is closed');
    } else {
      this.#parts.log.warn(fields, 'link is down');
    }
    clearTimeout(this.#settling);
    this.#parts.onDown(link, reason);
  }
}
