/**
 * The operations of the control socket, and the types of their answers. Plain JSON
 * types: the server writes them, the client reads them, nothing in between. Texts that a peer chose are
 * passed on unchanged; escaping is up to the program that shows them.
 */
import type {
  LinkCounters,
  RefuseReason,
  StreamDirection,
  StreamInfo,
} from '../dataplane/dataplane.js';

/** As in the link machine. */
export type LinkStateName = 'absent' | 'offering' | 'connecting' | 'up' | 'draining' | 'down';

/** A refused stream. Outgoing: requested by a program of this domain. */
export interface RefusedStream {
  readonly direction: StreamDirection;
  /** Peer-controlled where incoming. */
  readonly service: string;
  readonly reason: RefuseReason;
  /** Details from the daemon that refused; may be empty. */
  readonly detail: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface PeerStatus {
  readonly domid: number;
  /** As the toolstack or the configuration call it; null if unknown. */
  readonly name: string | null;
  /** As the toolstack wrote it; null if unknown. */
  readonly uuid: string | null;
  /** The link of this domain with itself: its own exports, seen from inside. */
  readonly self: boolean;
  readonly state: LinkStateName;
  /** Why the link is in that state; empty while it is up. */
  readonly reason: string;
  /** Why the last link ended, or could not be set up, and when (milliseconds since the epoch); kept when it is up again. */
  readonly lastEnd: { readonly reason: string; readonly at: number } | null;
  /** The last stream that either side refused. */
  readonly lastRefused: RefusedStream | null;
  /** Milliseconds since the epoch when the state was entered. */
  readonly since: number;
  /** The peer's instance id, 32 hexadecimal digits; null before it is known. */
  readonly instance: string | null;
  /**
   * The features negotiated with the peer, as bits (docs/protocol.md, 8); null while no link is up, and for
   * this domain's link with itself.
   */
  readonly features: number | null;
  /** How many services the peer announces to this domain. */
  readonly services: number;
  /** How many sockets for them could not be created (`services()` says why); each is retried. */
  readonly problems: number;
  /** Null while no link is up. `roundTrip` is in microseconds, 0 before the first. */
  readonly counters: Omit<LinkCounters, 'link'> | null;
}

/** How the last reload ended, whoever requested it. */
export interface LastReload {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** False: the current configuration was kept. */
  readonly ok: boolean;
  /** Why it failed: a line, or one for each problem of the configuration; null if it did not. */
  readonly error: string | null;
}

export interface DaemonStatus {
  readonly version: string;
  readonly pid: number;
  readonly domid: number;
  readonly name: string | null;
  /** This start of the daemon, 32 hexadecimal digits. */
  readonly instance: string;
  readonly hypervisor: 'loopback' | 'xen';
  /** False while the connection to xenstored is lost. */
  readonly xenstore: boolean;
  /** Milliseconds since the daemon started. */
  readonly uptime: number;
  readonly run: string;
  /** Path of the main configuration file. */
  readonly config: string;
  /** Null before the first. */
  readonly lastReload: LastReload | null;
  /** By domid. */
  readonly peers: readonly PeerStatus[];
}

/** A service that a peer announces to this domain, or that this domain exports. */
export type ServiceStatus =
  | {
      readonly direction: 'imported';
      /** The exporting domain. */
      readonly domid: number;
      readonly domain: string | null;
      /** Peer-controlled. */
      readonly name: string | null;
      readonly port: number | null;
      /** Local sockets that lead to it (paths, or `host:port` for TCP); empty if no import rule matches it. */
      readonly sockets: readonly string[];
      /** Why there is no socket although a rule matches it; null if all is well. */
      readonly problem: string | null;
    }
  | {
      readonly direction: 'exported';
      /** This domain. */
      readonly domid: number;
      readonly domain: string | null;
      readonly name: string | null;
      readonly port: number | null;
      /** `unix:/path` or `host:port`. */
      readonly target: string;
      /** Who may open it, as the configuration says, e.g. `1`, `web`, `*`; empty: nobody. */
      readonly allowed: readonly string[];
      /** Names among them that no peer has now. */
      readonly absent: readonly string[];
      /** Own sockets in the view that lead to it. */
      readonly sockets: readonly string[];
      readonly problem: string | null;
    };

export interface StreamStatus extends Omit<StreamInfo, 'link'> {
  readonly domid: number;
  readonly domain: string | null;
}

/** How a stream ended for the program that opened it. */
export interface StreamEnd {
  /** `cut`: refused, reset, or lost with its link. `unknown`: the daemon cannot tell; `reason` says why. */
  readonly end: 'in-order' | 'cut' | 'unknown';
  /** In words; empty if it ended in order. */
  readonly reason: string;
}

export interface ReloadResult {
  /** What was changed, a sentence each; empty if nothing was. */
  readonly changes: readonly string[];
  /** Warnings of the new configuration, each with its file and line. */
  readonly warnings: readonly string[];
}

/** Implemented by the daemon. Errors are XsockErrors; their code and message go to the caller. */
export interface ControlModel {
  status(): Promise<DaemonStatus>;
  services(): Promise<readonly ServiceStatus[]>;
  streams(): Promise<readonly StreamStatus[]>;
  /** The end of the last stream that the process `program` opened at `since` or later (monotonicNow()). */
  streamEnd(program: number, since: number): Promise<StreamEnd>;
  /** False if that peer has no such stream. */
  resetStream(peer: number, stream: number): Promise<boolean>;
  /** Reads the configuration again. Throws `CONFIG_INVALID` or `FILE_ACCESS` and then changes nothing. */
  reload(): Promise<ReloadResult>;
}
