/**
 * The interface between control plane and data plane: calls one way, events the other.
 *
 * The data plane is the C++ addon with its pumps, one thread or several. Nothing here carries a byte of a stream:
 * the control plane passes down tables (who may open what, where it leads) and is informed afterwards, in
 * batches, what happened. All calls are made from the JavaScript thread.
 */
import type { DomId, EventChannelPort, GrantRef, LinkId, ListenerId } from '../ids.js';

/** Where an exported service really listens. */
export type Target =
  | { readonly kind: 'unix'; readonly path: string }
  /** `host` is an IPv4 or IPv6 literal: the pump never resolves names. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** One line of the table that answers a peer's OPEN: already decided by policy. */
export interface ExportEntry {
  readonly name: string | undefined;
  readonly port: number | undefined;
  readonly allowed: boolean;
  readonly target: Target;
}

/** Which service a local listener leads to on the peer. */
export type ServiceAddress =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'port'; readonly port: number };

/** A local socket that programs connect to. */
export type ListenerOptions =
  | {
      readonly kind: 'unix';
      readonly link: LinkId;
      readonly service: ServiceAddress;
      /** Bound beside the path under a temporary name, then renamed over it: it appears complete. */
      readonly path: string;
      /** Permission bits, e.g. 0o660. */
      readonly mode: number;
      /** -1 leaves the owner or group as it is. */
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly kind: 'tcp';
      readonly link: LinkId;
      readonly service: ServiceAddress;
      /** IPv4 or IPv6 literal. */
      readonly host: string;
      readonly port: number;
    };

/** What identifies the socket file that was created, so that only that very file is ever removed. */
export interface ListenerHandle {
  readonly id: ListenerId;
  readonly device: bigint;
  readonly inode: bigint;
}

/** Bounds on the resources that one peer, and all peers together, may make us use. */
export interface DataplaneLimits {
  readonly streamsPerPeer: number;
  /** Bytes: the largest receive window of one stream. */
  readonly memoryPerStream: number;
  /** Bytes: the sum of all receive windows. */
  readonly memoryTotal: number;
}

export interface LinkTimings {
  /** Milliseconds of silence after which a PING is sent. */
  readonly heartbeatInterval: number;
  /** Milliseconds of silence after which the peer counts as dead. */
  readonly heartbeatTimeout: number;
  /** Microseconds that the pump polls before it sleeps, at most. */
  readonly pollTime: number;
}

/** Base-2 logarithm of the bytes of the ring in each direction, 12..20; `auto`: by what is left to grant. */
export type RingOrder = number | 'auto';

/** The hypervisor underneath. */
export type HypervisorChoice =
  /** /dev/xen/{gntalloc,gntdev,evtchn} of this domain. */
  | { readonly kind: 'xen' }
  /** A domain's directory in a loopback machine. */
  | { readonly kind: 'loopback'; readonly domainDir: string };

export interface DataplaneOptions {
  readonly hypervisor: HypervisorChoice;
  readonly domid: DomId;
  /** 16 random bytes that name this start of this daemon; sent in HELLO. */
  readonly instance: Uint8Array;
  readonly limits: DataplaneLimits;
  readonly timings: LinkTimings;
  /**
   * Threads that move bytes, 1..8. Links are distributed among them; a link has as many lanes (ring pairs, an
   * event channel each) as both of its ends have pumps; the control plane need not know.
   */
  readonly pumps: number;
}

/** What the granting side publishes in xenstore for the peer to find. */
export interface Offer {
  readonly link: LinkId;
  readonly ringRef: GrantRef;
  readonly eventChannel: EventChannelPort;
}

/** Why a link ended. As text: describeDown() in link/machine.ts. */
export type LinkDownReason =
  /** We closed it. */
  | 'closed'
  /** The peer cleared its live byte: its process ended, or it closed without a goodbye. */
  | 'peer-gone'
  /** The peer said goodbye and all streams have ended. */
  | 'goodbye'
  /** Nothing was received for the heartbeat timeout. */
  | 'silent'
  /** The peer wrote an index or frame that no correct peer writes; `detail` says which. */
  | 'corrupt'
  /** No common protocol version. */
  | 'version'
  /** HELLO names another domain than the hypervisor does. */
  | 'identity'
  /** The hypervisor refused an operation; `detail` says which. */
  | 'hypervisor';

export type StreamEndReason =
  /** Both directions ended in order. */
  | 'closed'
  /** The local program or target closed with bytes unsent or unread. */
  | 'local-reset'
  | 'peer-reset'
  /** A program tried to pass file descriptors, which cannot cross domains. */
  | 'fd-passing'
  | 'link-down'
  /** Reset by an operator, or at the end of the drain time. */
  | 'terminated'
  | 'refused';

/** Why an OPEN was refused; numbers on the wire are in addon/abi/frame.h. */
export type RefuseReason =
  | 'no-such-service'
  | 'denied'
  | 'target-unavailable'
  | 'too-many-streams'
  | 'shutting-down'
  | 'link-down';

export type StreamDirection = 'outgoing' | 'incoming';

export type DataplaneEvent =
  | {
      readonly kind: 'link-up';
      readonly link: LinkId;
      readonly version: number;
      /** Negotiated: a bit each (docs/protocol.md, section 8). */
      readonly features: number;
      /** The peer's instance id, 32 hexadecimal digits. */
      readonly instance: string;
    }
  | {
      readonly kind: 'link-down';
      readonly link: LinkId;
      readonly reason: LinkDownReason;
      readonly detail: string;
    }
  /** The peer said goodbye: it accepts no new streams; open ones may finish. */
  | { readonly kind: 'link-draining'; readonly link: LinkId }
  /** A further lane of a link that is up could not be created (`detail`: out of grants, ...); it works without. */
  | {
      readonly kind: 'lane-failed';
      readonly link: LinkId;
      readonly lane: number;
      readonly detail: string;
    }
  /** A SERVICES message of the peer, whole and unparsed. Peer-controlled. */
  | { readonly kind: 'services'; readonly link: LinkId; readonly payload: Uint8Array }
  | {
      readonly kind: 'stream-opened';
      readonly link: LinkId;
      readonly stream: number;
      readonly direction: StreamDirection;
      readonly service: string;
    }
  | {
      readonly kind: 'stream-refused';
      readonly link: LinkId;
      readonly stream: number;
      readonly direction: StreamDirection;
      /** Peer-controlled text when incoming: escape it before showing it. */
      readonly service: string;
      readonly reason: RefuseReason;
      /** e.g. the target and errno for `target-unavailable`; empty if there is nothing to add. */
      readonly detail: string;
      readonly program?: number;
    }
  | {
      readonly kind: 'stream-closed';
      readonly link: LinkId;
      readonly stream: number;
      readonly direction: StreamDirection;
      readonly service: string;
      readonly reason: StreamEndReason;
      readonly bytesSent: number;
      readonly bytesReceived: number;
      /**
       * The pid of the local program that opened the stream, if it did not get all that the service sent and
       * the service's end-of-file: its socket cannot show that. Also when a stream is refused.
       */
      readonly program?: number;
    }
  /** A listener stopped working (e.g. EMFILE); `detail` says why. It is retried automatically. */
  | { readonly kind: 'listener-error'; readonly listener: ListenerId; readonly detail: string }
  /** Events of streams were dropped because JavaScript did not keep up; links' events never are. */
  | { readonly kind: 'events-dropped'; readonly count: number }
  /** The hypervisor is gone (loopback process ended, or our domain was destroyed). */
  /** Event channels of links that have ended are released once settleHypervisor() is called. */
  | { readonly kind: 'ports-resting' }
  | { readonly kind: 'hypervisor-gone'; readonly detail: string };

export interface StreamInfo {
  readonly link: LinkId;
  readonly stream: number;
  readonly direction: StreamDirection;
  readonly service: string;
  readonly state: 'connecting' | 'open' | 'half-closed-local' | 'half-closed-peer' | 'closing';
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Bytes buffered until the local program reads them. */
  readonly buffered: number;
  /** Milliseconds since the stream was opened. */
  readonly age: number;
}

export interface LinkCounters {
  readonly link: LinkId;
  /** How many of its lanes are up. The other numbers are of all lanes together. */
  readonly lanes: number;
  readonly streams: number;
  readonly streamsOpened: number;
  readonly streamsRefused: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly fdPassingResets: number;
  readonly doorbellsSent: number;
  readonly doorbellsReceived: number;
  /** Microseconds of the last PING's round trip, of the slowest lane; 0 before the first. */
  readonly roundTrip: number;
}

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
   * The domain was restored from a saved image: its event channels are lost, and Linux does not survive
   * that they are closed. No more calls are made to the hypervisor; everything else may be closed.
   */
  abandonHypervisor(): void;
  /**
   * The answer to `ports-resting`, once it is known that the domain was not restored since. A link may end
   * before anybody can know, and Linux does not survive that a lost event channel is closed.
   */
  settleHypervisor(): void;

  /**
   * Resolves when every pump has had a turn since. Never, should one hang; rejects when they are closed.
   */
  alive(): Promise<void>;

  /** Stops the pumps and releases everything. Nothing may be called afterwards. */
  close(): Promise<void>;
}
