/**
 * The configuration as the rest of the daemon sees it: checked, fully defaulted, read-only, in plain
 * units (bytes, milliseconds). Types only: how the YAML becomes this is in load.ts and build.ts.
 */
import type { DataplaneLimits, LinkTimings, RingOrder, Target } from '../dataplane/dataplane.js';
import type { DomId, ServicePort } from '../ids.js';
import type { ServiceName } from '../text/names.js';
import type { SourcePosition } from './position.js';
import type { ConfigWarning } from './problems.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** `auto` is `pretty` on a terminal and `json` elsewhere. */
export type LogFormat = 'auto' | 'json' | 'pretty';

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** One domain to link with: at least one of `domid` and `name` is set. */
export interface PeerConfig {
  /** Undefined: whichever domain has the name now. */
  readonly domid: DomId | undefined;
  /** With a domid: the name on the operator's authority, whatever xenstore says. */
  readonly name: string | undefined;
  readonly source: SourcePosition;
}

/** Which peers a rule matches. */
export type PeerSelector =
  | { readonly kind: 'domid'; readonly domid: DomId }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'any' };

/** Which services an import rule matches. */
export type ServiceSelector =
  | { readonly kind: 'name'; readonly name: ServiceName }
  | { readonly kind: 'port'; readonly port: ServicePort }
  | { readonly kind: 'any' };

/** One entry of an export's allow-list. */
export interface AllowEntry {
  readonly peer: PeerSelector;
  readonly source: SourcePosition;
}

/** A libxenvchan server for one peer. */
export interface VchanOffer {
  readonly peer: DomId;
  /** In xenstore: absolute, or relative to this domain's home. */
  readonly path: string;
  readonly source: SourcePosition;
}

/** A service of this domain. At least one of `name` and `port` is set. */
export interface ExportConfig {
  readonly name: ServiceName | undefined;
  readonly port: ServicePort | undefined;
  readonly target: Target;
  /** Other domains; empty: none. */
  readonly allow: readonly AllowEntry[];
  /** This domain's own programs reach it too, under the own domid, as an import rule says. */
  readonly self: boolean;
  /** Peers without xsock that are offered a plain libxenvchan server for it. */
  readonly vchan: readonly VchanOffer[];
  readonly source: SourcePosition;
}

/** A local TCP address; `host` is an IPv4 or IPv6 literal. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** Which services of which peers appear here, and who may use their sockets. First match wins. */
export interface ImportConfig {
  readonly peer: PeerSelector;
  readonly service: ServiceSelector;
  /** User name or uid; undefined: the daemon's own. */
  readonly owner: string | number | undefined;
  /** Group name or gid; undefined: the daemon's own. */
  readonly group: string | number | undefined;
  /** Permission bits of the socket, e.g. 0o660. */
  readonly mode: number;
  /** A TCP address to listen on as well; only on rules for one service of one peer. */
  readonly tcp: TcpAddress | undefined;
  /**
   * Where in xenstore a plain libxenvchan server of the peer is, absolute or relative to the peer's home.
   * Such a rule matches nothing that a peer's daemon announces; it is for one domid and one service name.
   */
  readonly vchan: string | undefined;
  /** Undefined for the default rule, used when there is no `imports` at all. */
  readonly source: SourcePosition | undefined;
}

/** The directory of domain names, from domain 0 to guests that trust it. */
export interface DirectoryConfig {
  /** In domain 0: the guests that may read it. Empty: there is none. */
  readonly publish: readonly PeerSelector[];
  /** In a guest: trust it. */
  readonly trust: boolean;
}

export interface LinkConfig extends LinkTimings {
  readonly ringOrder: RingOrder;
  /** Threads of the data plane; `auto`: by the number of CPUs. */
  readonly pumps: number | 'auto';
}

export interface Config {
  /** Absolute path of the run directory, without a trailing slash. */
  readonly run: string;
  readonly log: LogConfig;
  /** Undefined: a guest links with dom0, dom0 with every guest that publishes for it. */
  readonly peers: readonly PeerConfig[] | undefined;
  readonly directory: DirectoryConfig;
  readonly exports: readonly ExportConfig[];
  /** In order; without `imports` in the files this is one rule that matches every service. */
  readonly imports: readonly ImportConfig[];
  readonly limits: DataplaneLimits;
  readonly link: LinkConfig;
  /** Milliseconds that open streams get to finish at shutdown. */
  readonly drainTimeout: number;
  /** Settings that are legal but probably a mistake. */
  readonly warnings: readonly ConfigWarning[];
}
