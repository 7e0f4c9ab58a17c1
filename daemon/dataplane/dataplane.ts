/**
 * The interface between control plane and data plane: calls one way, events the other.
 *
 * The data plane is the C++ addon with its pumps, one thread or several. Nothing here carries a byte of a stream:
 * the control plane passes down tables (who may open what, where it leads) and is informed afterwards, in
 * batches, what happened. All calls are made from the JavaScript thread.
 */
import type { DomId, EventChannelPort, GrantRef, LinkId, ListenerId } from '../ids.js';
import type {
  DataplaneLimits,
  DomainCheck,
  ExportEntry,
  LinkCounters,
  ListenerHandle,
  ListenerOptions,
  NativeEvent,
  Offer,
  StreamInfo,
} from './boundary.js';

export type {
  DataplaneLimits,
  DataplaneOptions,
  DomainCheck,
  ExportEntry,
  HypervisorChoice,
  LinkCounters,
  LinkDownReason,
  LinkTimings,
  ListenerHandle,
  ListenerOptions,
  Offer,
  RefuseReason,
  StreamDirection,
  StreamEndReason,
  StreamInfo,
  Target,
} from './boundary.js';

/** Base-2 logarithm of the bytes of the ring in each direction, 12..20; `auto`: by what is left to grant. */
export type RingOrder = number | 'auto';

type OfKind<Kind extends NativeEvent['kind']> = Extract<NativeEvent, { readonly kind: Kind }>;

/** What the addon reports, without what concerns lanes, releases and pings only, and what is found on the way. */
export type DataplaneEvent =
  | Exclude<NativeEvent, OfKind<'link-up' | 'link-released' | 'lane-offered' | 'alive'>>
  | Omit<OfKind<'link-up'>, 'lanesToOffer'>
  /** A further lane of a link that is up could not be created (`detail`: out of grants, ...); it works without. */
  | {
      readonly kind: 'lane-failed';
      readonly link: LinkId;
      readonly lane: number;
      readonly detail: string;
    };

export interface Dataplane {
  /**
   * Registers the only consumer of events; call before the first link. A link's events come after the
   * promise that created the link has been settled.
   */
  onEvents(consumer: (events: readonly DataplaneEvent[]) => void): void;

  /** Grants the pages and allocates the event channel of a new link to `peer` (we are the server). */
  offer(peer: DomId, ringOrder: RingOrder): Promise<Offer>;
  /** Maps what a peer offered (we are the client). Rejects if the offer was already taken. */
  connect(peer: DomId, ringRef: GrantRef, eventChannel: EventChannelPort): Promise<LinkId>;
  /** A link of this domain with itself, over private memory. It is up immediately. */
  connectSelf(): Promise<LinkId>;
  /**
   * Ends a link. With `drain` > 0 a goodbye is sent and streams get that many milliseconds to end by
   * themselves; with 0 they are reset immediately. Resolves when the pages are released.
   */
  closeLink(link: LinkId, drain: number): Promise<void>;

  /** What the peer at the other end of `link` may open, from now on; open streams stay open. */
  setExports(link: LinkId, exports: readonly ExportEntry[]): void;
  /** Sends a SERVICES message (at most 65,536 bytes), replacing one that has not been sent yet. */
  sendServices(link: LinkId, payload: Uint8Array): void;

  /** Opens a local socket that leads to a service of the peer. */
  listen(options: ListenerOptions): Promise<ListenerHandle>;
  /** Closes a listener; streams accepted by it stay open. The caller removes the file. */
  unlisten(listener: ListenerId): Promise<void>;

  streams(): Promise<readonly StreamInfo[]>;
  counters(): Promise<readonly LinkCounters[]>;
  /** Resets one stream; false if there is none of that id. */
  resetStream(link: LinkId, stream: number): Promise<boolean>;
  /** New bounds for future links and streams. */
  setLimits(limits: DataplaneLimits): void;
  /** Whether the opening and the orderly close of streams are reported as events; true initially. */
  reportStreams(wanted: boolean): void;

  /**
   * What a check in xenstore has found. Restored: no more calls are made to the hypervisor, and no event channel
   * is closed; everything else may be. Otherwise it is the answer to `closes-deferred`.
   */
  domainChecked(check: DomainCheck): void;

  /**
   * Resolves when every pump has had a turn since. Never, should one hang; rejects when they are closed.
   */
  alive(): Promise<void>;

  /** Stops the pumps and releases everything. Nothing may be called afterwards. */
  close(): Promise<void>;
}
