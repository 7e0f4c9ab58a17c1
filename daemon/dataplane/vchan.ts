/**
 * Raw byte streams over libxenvchan channels, for domains without xsock: what the control plane may ask,
 * and what it hears. A *relay* is one channel with one stream; a *door* is a local socket whose programs
 * are led to a server in another domain, one at a time.
 */
import type { DomId, EventChannelPort, GrantRef } from '../ids.js';
import type { Target } from './dataplane.js';

export type VchanEndReason =
  /** Both sides have got everything. */
  | 'closed'
  /** The peer ended; what it wrote before was delivered. */
  | 'peer-gone'
  /** The local program, or the target, broke off. */
  | 'local-gone'
  /** `detail` says why. */
  | 'target-unavailable'
  /** The peer wrote what no libxenvchan writes; `detail` says what. */
  | 'corrupt'
  | 'terminated';

export type VchanEvent =
  /** A program has connected to a door: connect() or refuse() has to follow. */
  | { readonly kind: 'wanted'; readonly door: number }
  /** No program could be let in (`detail`: out of descriptors, ...); the door rests for 0.1 s. */
  | { readonly kind: 'door-error'; readonly door: number; readonly detail: string }
  | { readonly kind: 'opened'; readonly relay: number }
  /** As the data plane's event. */
  | { readonly kind: 'ports-resting' }
  /** Its pages and its port have been given back. */
  | {
      readonly kind: 'ended';
      readonly relay: number;
      readonly reason: VchanEndReason;
      readonly detail: string;
      /** A client had come. */
      readonly opened: boolean;
      readonly bytesSent: number;
      readonly bytesReceived: number;
    };

export interface VchanOfferAddress {
  readonly relay: number;
  readonly ringRef: GrantRef;
  readonly eventChannel: EventChannelPort;
}

/** Errors are XsockErrors `DATAPLANE` with `errno`. */
export interface VchanPlane {
  /** Where events go; to be set before anything else is called. */
  onEvents(consumer: (event: VchanEvent) => void): void;
  /** Grants a channel with rings of 2^order bytes; connects to `target` once a client is there. */
  serve(peer: DomId, order: number, target: Target): Promise<VchanOfferAddress>;
  /** A UNIX socket with these rights (-1 leaves owner or group). */
  openDoor(path: string, mode: number, uid: number, gid: number): number;
  /** Ends its stream, too. The file is the caller's to remove. */
  closeDoor(door: number): void;
  /** Leads the program that waits at the door to a server's offer; rejects if the offer is not fresh. */
  connect(
    door: number,
    peer: DomId,
    ringRef: GrantRef,
    eventChannel: EventChannelPort,
  ): Promise<number>;
  /** The program that waits gets an end-of-file. */
  refuse(door: number): void;
  /** Ends a relay now, or an offer that nobody took. */
  terminate(relay: number): void;
  /** As Dataplane.abandonHypervisor() and settleHypervisor(). */
  abandonHypervisor(): void;
  settleHypervisor(): void;
  /** As Dataplane.alive(), of the thread that moves the bytes. */
  alive(): Promise<void>;
  close(): Promise<void>;
}
