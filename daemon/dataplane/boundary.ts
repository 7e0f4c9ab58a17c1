/**
 * Everything that crosses between TypeScript and C++ in the data plane: values, events and calls. The C++ side
 * is described beside its structs (addon/schema/schema.h) and converted by that description, which
 * test/unit/dataplane/boundary.test.ts compares with this file: names, types and order.
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
  | 'identity';

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
  | 'terminated';

/** Why an OPEN was refused; numbers on the wire are in addon/abi/frame.h. */
export type RefuseReason =
  | 'no-such-service'
  | 'denied'
  | 'target-unavailable'
  | 'too-many-streams'
  | 'shutting-down'
  | 'link-down';

export type StreamDirection = 'outgoing' | 'incoming';

/** In the order of C++'s list (addon/pump/events.h). */
export type NativeEvent =
  | {
      readonly kind: 'link-up';
      readonly link: LinkId;
      readonly version: number;
      /** Negotiated: a bit each (docs/protocol.md, section 8). */
      readonly features: number;
      /** The peer's instance id, 32 hexadecimal digits. */
      readonly instance: string;
      /** Further lanes that both sides support; 0 if the peer offers them. */
      readonly lanesToOffer: number;
    }
  | {
      readonly kind: 'link-down';
      readonly link: LinkId;
      readonly reason: LinkDownReason;
      readonly detail: string;
    }
  /** The pages and the ports of a link have been released. */
  | { readonly kind: 'link-released'; readonly link: LinkId }
  /** The peer said goodbye: it accepts no new streams; open ones may finish. */
  | { readonly kind: 'link-draining'; readonly link: LinkId }
  /** The peer has granted a further lane. */
  | {
      readonly kind: 'lane-offered';
      readonly link: LinkId;
      readonly lane: number;
      readonly ringRef: GrantRef;
      readonly eventChannel: EventChannelPort;
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
  /**
   * Event channels of links that have ended stay bound until domainChecked() names them, in a check that began
   * afterwards. Each is reported once.
   */
  | { readonly kind: 'closes-deferred'; readonly ports: readonly EventChannelPort[] }
  /** The hypervisor is gone (loopback process ended, or our domain was destroyed). */
  | { readonly kind: 'hypervisor-gone'; readonly detail: string }
  /** All pumps have run the ping() of that number. */
  | { readonly kind: 'alive'; readonly ping: number };

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

/** Of one service on one link. */
export interface ServiceCounters {
  /** `outgoing`: an import, opened by programs of this domain. */
  readonly direction: StreamDirection;
  /** Peer-controlled where outgoing. Empty: all services beyond the first 256 of that direction together. */
  readonly service: string;
  /** Opened since the link came up, those that are still open included; so are their bytes. */
  readonly streams: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface LinkCounters {
  readonly link: LinkId;
  /** How many of its lanes are up. The other numbers are of all lanes together. */
  readonly lanes: number;
  readonly streams: number;
  /** The number of the pump that runs its first lane: the thread is called `xsock-pump-N`. */
  readonly pump: number;
  readonly streamsOpened: number;
  readonly streamsRefused: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  /** Frames for streams that had ended already; a few are normal, they cross with the end. */
  readonly staleFrames: number;
  readonly fdPassingResets: number;
  readonly doorbellsSent: number;
  readonly doorbellsReceived: number;
  /** Microseconds of the last PING's round trip, of the slowest lane; 0 before the first. */
  readonly roundTrip: number;
  readonly services: readonly ServiceCounters[];
}

/**
 * addon/binding/dataplane.h. Errors thrown or rejected carry `code` (errno name) and `errno`; after close()
 * that is ECANCELED.
 */
export interface NativeDataplane {
  /** Order 0: as large as reasonable. */
  offer(peer: number, ringOrder: number): Promise<Offer>;
  connect(peer: number, ringRef: number, eventChannel: number): Promise<number>;
  /** Order 0: sized by what others have left. */
  offerLane(link: number, lane: number, ringOrder: number): Promise<void>;
  connectLane(link: number, lane: number, ringRef: number, eventChannel: number): Promise<void>;
  connectSelf(ringOrder: number): number;
  closeLink(link: number, drain: number): void;
  setExports(link: number, exports: readonly ExportEntry[]): void;
  sendServices(link: number, payload: Uint8Array): void;
  setLimits(limits: DataplaneLimits): void;
  reportStreams(wanted: boolean): void;
  listen(options: ListenerOptions): ListenerHandle;
  unlisten(listener: number): void;
  streams(): StreamInfo[];
  links(): LinkCounters[];
  terminate(link: number, stream: number): boolean;
  /** Answered by an event; does not block. */
  ping(number: number): void;
  takeEvents(): NativeEvent[];
  domainChecked(check: DomainCheck): void;
  close(): Promise<void>;
}

/** addon/binding/vchan.h: raw vchan streams. Errors thrown or rejected carry `code` (errno name). */
export interface NativeVchan {
  serve(peer: number, order: number, target: Target): Promise<VchanOfferAddress>;
  connect(listener: number, peer: number, ringRef: number, eventChannel: number): Promise<number>;
  listen(path: string, mode: number, uid: number, gid: number): number;
  unlisten(listener: number): void;
  refuse(listener: number): void;
  terminate(relay: number): void;
  ping(number: number): void;
  takeEvents(): NativeVchanEvent[];
  domainChecked(check: DomainCheck): void;
  close(): Promise<void>;
}

/** What a check in xenstore has found. */
export interface DomainCheck {
  /**
   * The domain was restored from a saved image: its event channels are lost, and Linux does not survive that they
   * are closed.
   */
  readonly restored: boolean;
  /** If not: the ports whose close was deferred before the check began. A link may end before anybody can know. */
  readonly ports: readonly EventChannelPort[];
}

export type VchanEndReason =
  /** Both sides have received everything. */
  | 'closed'
  /** The peer ended; what it wrote before was delivered. */
  | 'peer-gone'
  /** The local program, or the target, closed early. */
  | 'local-gone'
  /** `detail` says why. */
  | 'target-unavailable'
  /** The peer wrote what no correct libxenvchan writes; `detail` says what. */
  | 'corrupt'
  | 'terminated';

export type NativeVchanEvent =
  /** A client has connected to a listener: connect() or refuse() has to follow. */
  | { readonly kind: 'connection-pending'; readonly listener: number }
  /** accept failed (`detail`: out of descriptors, ...); the listener retries in 0.1 s. */
  | { readonly kind: 'listener-error'; readonly listener: number; readonly detail: string }
  | { readonly kind: 'opened'; readonly relay: number }
  /** As the data plane's event. */
  | { readonly kind: 'closes-deferred'; readonly ports: readonly EventChannelPort[] }
  /** Its pages and its port have been released, except a client's whose server has yet to notice. */
  | {
      readonly kind: 'ended';
      readonly relay: number;
      readonly reason: VchanEndReason;
      readonly detail: string;
      /** A client had connected. */
      readonly opened: boolean;
      readonly bytesSent: number;
      readonly bytesReceived: number;
    }
  /** The thread has run the ping() of that number. */
  | { readonly kind: 'alive'; readonly ping: number };

export interface VchanOfferAddress {
  readonly relay: number;
  readonly ringRef: GrantRef;
  readonly eventChannel: EventChannelPort;
}
