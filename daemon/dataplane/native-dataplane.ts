/** The data plane on top of the addon: turns errno errors into XsockErrors and event batches into calls. */

import { messageOf, XsockError } from '../errors.js';
import type { DomId, EventChannelPort, GrantRef, LinkId, ListenerId } from '../ids.js';
import type { NativeDataplane, NativeEvent } from './boundary.js';
import type {
  Dataplane,
  DataplaneEvent,
  DataplaneLimits,
  DataplaneOptions,
  DomainCheck,
  ExportEntry,
  LinkCounters,
  ListenerHandle,
  ListenerOptions,
  Offer,
  RingOrder,
  StreamInfo,
} from './dataplane.js';
import { EventFeed } from './event-feed.js';
import { loadNative } from './native.js';
import { hasErrno, wrapped } from './native-errors.js';

/** Ring order of a domain's link with itself: 1 MiB each way, of private memory. */
const SELF_RING_ORDER = 20;

/** Opens the data plane. Throws `HYPERVISOR_UNAVAILABLE` or `ADDON_MISSING`. */
export function openDataplane(options: DataplaneOptions): Dataplane {
  return new AddonDataplane(options);
}

/** Programs can only connect where the link is known; after its end, their streams are still refused. */
function isOfAProgram(event: NativeEvent): boolean {
  return event.kind === 'stream-refused' && event.direction === 'outgoing';
}

class AddonDataplane implements Dataplane {
  readonly #native: NativeDataplane;
  /** Callers that wait for a link's pages to be released. */
  readonly #closing = new Map<LinkId, (() => void)[]>();
  /** Links whose creation promise has been settled. */
  readonly #known = new Set<number>();
  /** Events that overtook the promise which creates the link; they wait for it. */
  readonly #early = new Map<number, NativeEvent[]>();
  /** Of the links that we offered: for their further lanes. */
  readonly #ringOrders = new Map<number, number>();
  #consumer: (events: readonly DataplaneEvent[]) => void = () => {};

  readonly #feed = new EventFeed({
    take: () => this.#native.takeEvents(),
    deliver: events => this.#deliver(events),
  });
  /** Callers that wait until all pumps have run, by ping number. */
  readonly #pings = new Map<number, () => void>();
  #lastPing = 0;

  constructor(options: DataplaneOptions) {
    const { Dataplane: Constructor } = loadNative();
    try {
      this.#native = new Constructor(options, () => this.#feed.wake());
    } catch (error) {
      throw new XsockError(
        'HYPERVISOR_UNAVAILABLE',
        `the hypervisor cannot be reached: ${messageOf(error)}`,
        { ...(hasErrno(error) ? { errno: error.code } : {}), cause: error },
      );
    }
  }

  onEvents(consumer: (events: readonly DataplaneEvent[]) => void): void {
    this.#consumer = consumer;
  }

  async offer(peer: DomId, ringOrder: RingOrder): Promise<Offer> {
    try {
      const order = ringOrder === 'auto' ? 0 : ringOrder;
      const offer = await this.#native.offer(peer, order);
      this.#ringOrders.set(offer.link, order);
      this.#announce(offer.link);
      return offer;
    } catch (error) {
      throw wrapped('offer', error);
    }
  }

  async connect(peer: DomId, ringRef: GrantRef, eventChannel: EventChannelPort): Promise<LinkId> {
    try {
      const link = (await this.#native.connect(peer, ringRef, eventChannel)) as LinkId;
      this.#announce(link);
      return link;
    } catch (error) {
      throw wrapped('connect', error);
    }
  }

  async connectSelf(): Promise<LinkId> {
    const link = this.#call('connect', native => native.connectSelf(SELF_RING_ORDER) as LinkId);
    this.#announce(link);
    return link;
  }

  async closeLink(link: LinkId, drain: number): Promise<void> {
    try {
      this.#native.closeLink(link, drain);
    } catch (error) {
      if (hasErrno(error) && error.code === 'ENOLINK') {
        return; // it went down already, and its pages are released
      }
      throw wrapped('close', error);
    }
    await new Promise<void>(resolve => {
      this.#closing.set(link, [...(this.#closing.get(link) ?? []), resolve]);
    });
  }

  setExports(link: LinkId, exports: readonly ExportEntry[]): void {
    this.#ifThere('set exports', native => native.setExports(link, exports));
  }

  sendServices(link: LinkId, payload: Uint8Array): void {
    this.#ifThere('send services', native => native.sendServices(link, payload));
  }

  async listen(options: ListenerOptions): Promise<ListenerHandle> {
    return this.#call('listen', native => native.listen(options));
  }

  async unlisten(listener: ListenerId): Promise<void> {
    this.#call('unlisten', native => native.unlisten(listener));
  }

  async streams(): Promise<readonly StreamInfo[]> {
    return this.#call('streams', native => native.streams());
  }

  async counters(): Promise<readonly LinkCounters[]> {
    return this.#call('counters', native => native.links());
  }

  async resetStream(link: LinkId, stream: number): Promise<boolean> {
    return this.#ifThere('reset', native => native.terminate(link, stream)) ?? false;
  }

  setLimits(limits: DataplaneLimits): void {
    this.#call('set limits', native => native.setLimits(limits));
  }

  reportStreams(wanted: boolean): void {
    this.#call('report streams', native => native.reportStreams(wanted));
  }

  domainChecked(check: DomainCheck): void {
    this.#native.domainChecked(check);
  }

  async alive(): Promise<void> {
    const ping = ++this.#lastPing;
    this.#call('ping', native => native.ping(ping));
    await new Promise<void>(resolve => this.#pings.set(ping, resolve));
  }

  async close(): Promise<void> {
    await this.#native.close();
    this.#feed.close();
    for (const link of [...this.#closing.keys()]) this.#forget(link);
  }

  #deliver(events: readonly NativeEvent[]): void {
    const heard: DataplaneEvent[] = [];
    for (const event of events) {
      if (event.kind === 'alive') {
        this.#pings.get(event.ping)?.();
        this.#pings.delete(event.ping);
      } else if ('link' in event && !this.#known.has(event.link) && !isOfAProgram(event)) {
        this.#early.set(event.link, [...(this.#early.get(event.link) ?? []), event]);
      } else if (event.kind === 'link-released') {
        this.#forget(event.link);
      } else if (event.kind === 'lane-offered') {
        const { link, lane, ringRef, eventChannel } = event;
        void this.#makeLane(link, lane, () =>
          this.#native.connectLane(link, lane, ringRef, eventChannel),
        );
      } else {
        heard.push(event);
        if (event.kind === 'link-up' && event.lanesToOffer > 0) {
          void this.#offerLanes(event.link, event.lanesToOffer);
        }
      }
    }
    if (heard.length > 0) {
      this.#consumer(heard);
    }
  }

  /** Its pages have been released. */
  #forget(link: number): void {
    for (const released of this.#closing.get(link as LinkId) ?? []) {
      released();
    }
    this.#closing.delete(link as LinkId);
    this.#known.delete(link);
    this.#ringOrders.delete(link);
  }

  async #offerLanes(link: LinkId, count: number): Promise<void> {
    const order = this.#ringOrders.get(link) ?? 0;
    for (let lane = 1; lane <= count; lane += 1) {
      const made = await this.#makeLane(link, lane, () =>
        this.#native.offerLane(link, lane, order),
      );
      if (!made) {
        return;
      }
    }
  }

  /** True if `making` succeeds. A failure is reported here; an end of the link meanwhile by its own event. */
  async #makeLane(link: number, lane: number, make: () => Promise<void>): Promise<boolean> {
    try {
      await make();
      return true;
    } catch (error) {
      if (!(hasErrno(error) && (error.code === 'ENOLINK' || error.code === 'ECANCELED'))) {
        const detail = messageOf(error);
        this.#consumer([{ kind: 'lane-failed', link: link as LinkId, lane, detail }]);
      }
      return false;
    }
  }

  /** The caller's continuation runs before the next turn; then the link's events may come. */
  #announce(link: LinkId): void {
    setImmediate(() => {
      this.#known.add(link);
      const early = this.#early.get(link) ?? [];
      this.#early.delete(link);
      this.#deliver(early);
    });
  }

  #call<Result>(action: string, body: (native: NativeDataplane) => Result): Result {
    try {
      return body(this.#native);
    } catch (error) {
      throw wrapped(action, error);
    }
  }

  /** For calls about a link that may just have gone down, which its event will report. */
  #ifThere<Result>(action: string, body: (native: NativeDataplane) => Result): Result | undefined {
    try {
      return body(this.#native);
    } catch (error) {
      if (hasErrno(error) && error.code === 'ENOLINK') {
        return undefined;
      }
      throw wrapped(action, error);
    }
  }
}
