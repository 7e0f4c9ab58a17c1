/**
 * Raw byte streams over libxenvchan channels, for domains without xsock: calls
 * one way, events the other. A *relay* is one channel with one stream; a *listener* is a local socket
 * whose clients are connected to a server in another domain, one at a time.
 */
import type { DomId, EventChannelPort, GrantRef } from '../ids.js';
import type { DomainCheck, NativeVchanEvent, Target, VchanOfferAddress } from './boundary.js';

export type { VchanOfferAddress } from './boundary.js';

export type VchanEvent = Exclude<NativeVchanEvent, { readonly kind: 'alive' }>;

/** Errors are XsockErrors `DATAPLANE` with `errno`. */
export interface VchanPlane {
  /** The consumer of events; to be set before anything else is called. */
  onEvents(consumer: (event: VchanEvent) => void): void;
  /** Grants a channel with rings of 2^order bytes; connects to `target` once a client is there. */
  serve(peer: DomId, order: number, target: Target): Promise<VchanOfferAddress>;
  /** Opens a UNIX listener with these rights (-1 leaves owner or group). */
  listen(path: string, mode: number, uid: number, gid: number): number;
  /** Ends its stream, too. The caller removes the file. */
  unlisten(listener: number): void;
  /** Connects the waiting client to a server's offer; rejects if the offer was already used. */
  connect(
    listener: number,
    peer: DomId,
    ringRef: GrantRef,
    eventChannel: EventChannelPort,
  ): Promise<number>;
  /** The waiting client gets an end-of-file. */
  refuse(listener: number): void;
  /** Ends a relay now, or an offer that nobody took. */
  terminate(relay: number): void;
  /** As Dataplane.domainChecked(). */
  domainChecked(check: DomainCheck): void;
  /** As Dataplane.alive(), of the thread that moves the bytes. */
  alive(): Promise<void>;
  close(): Promise<void>;
}
