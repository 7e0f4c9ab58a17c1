/**
 * Passes the data plane's events to the control plane in bounded portions, one per turn of the event
 * loop: whatever peers send, timers, requests and other peers are served in between. Parsing a list of
 * services takes long, so a turn parses one at most, and the lists of each link are rate-limited; of those that
 * arrive faster only the last one is parsed.
 */
import { TokenBucket } from '../token-bucket.js';
import type { NativeEvent } from './boundary.js';

type ServicesEvent = Extract<NativeEvent, { readonly kind: 'services' }>;

/** Events per turn. */
export const PORTION = 256;
/** Lists of services of one link: burst, then rate per second. */
export const LISTS_AT_ONCE = 4;
const LISTS_PER_SECOND = 1;

export interface EventFeedParts {
  /** All queued events; called only when those taken before have been delivered. */
  readonly take: () => readonly NativeEvent[];
  readonly deliver: (events: readonly NativeEvent[]) => void;
}

/** A link's announced services. */
interface Lists {
  readonly pace: TokenBucket;
  /** The last one, not read yet. */
  latest: ServicesEvent | undefined;
  /** Its turn is already scheduled. */
  later: NodeJS.Timeout | undefined;
}

export class EventFeed {
  readonly #parts: EventFeedParts;
  readonly #lists = new Map<number, Lists>();
  #queue: NativeEvent[] = [];
  #next = 0;
  #more = false;
  #turnDue = false;
  #closed = false;

  constructor(parts: EventFeedParts) {
    this.#parts = parts;
  }

  /** To be called when events are queued. */
  wake(): void {
    this.#more = true;
    this.#schedule();
  }

  /** Ends delivery. */
  close(): void {
    this.#closed = true;
    for (const { later } of this.#lists.values()) clearTimeout(later);
    this.#lists.clear();
    this.#queue = [];
  }

  #schedule(): void {
    if (this.#turnDue || this.#closed) return;
    this.#turnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#turnDue = false;
    if (this.#closed) return;
    if (this.#next === this.#queue.length && this.#more) {
      this.#more = false;
      this.#queue = [];
      this.#next = 0;
      for (const event of this.#parts.take()) this.#add(event);
    }
    const portion = this.#portion();
    if (this.#next < this.#queue.length || this.#more) this.#schedule();
    if (portion.length > 0) this.#parts.deliver(portion);
  }

  #portion(): readonly NativeEvent[] {
    const portion: NativeEvent[] = [];
    while (this.#next < this.#queue.length && portion.length < PORTION) {
      const event = this.#queue[this.#next++] as NativeEvent;
      if (event.kind === 'services') {
        const list = this.#listOf(event.link);
        if (list === undefined) continue;
        portion.push(list);
        break;
      }
      if (event.kind === 'link-down' || event.kind === 'link-released') this.#forget(event.link);
      portion.push(event);
    }
    return portion;
  }

  /** A link's list keeps the place in the queue that its first one had. */
  #add(event: NativeEvent): void {
    if (event.kind !== 'services') {
      this.#queue.push(event);
      return;
    }
    const lists = this.#lists.get(event.link);
    if (lists === undefined) {
      const pace = new TokenBucket(LISTS_AT_ONCE, LISTS_PER_SECOND);
      this.#lists.set(event.link, { pace, latest: event, later: undefined });
    } else if (lists.latest !== undefined) {
      lists.latest = event;
      return;
    } else {
      lists.latest = event;
    }
    this.#queue.push(event);
  }

  /** The list to be read now, if it is the link's time. */
  #listOf(link: number): ServicesEvent | undefined {
    const lists = this.#lists.get(link);
    if (lists?.latest === undefined) return undefined;
    const wait = lists.pace.take();
    if (wait === 0) {
      const { latest } = lists;
      lists.latest = undefined;
      return latest;
    }
    lists.later = setTimeout(() => {
      lists.later = undefined;
      if (lists.latest !== undefined) this.#queue.push(lists.latest);
      this.#schedule();
    }, wait);
    return undefined;
  }

  #forget(link: number): void {
    const lists = this.#lists.get(link);
    clearTimeout(lists?.later);
    this.#lists.delete(link);
  }
}
