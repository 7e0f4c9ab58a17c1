/**
 * The interface to the addon: its types, and the only place that loads it. What C++ does behind these
 * signatures is described in addon/binding/.
 */
import { createRequire } from 'node:module';
import { messageOf, XsockError } from '../errors.js';
import type {
  DataplaneEvent,
  DataplaneLimits,
  DataplaneOptions,
  ExportEntry,
  HypervisorChoice,
  LinkCounters,
  ListenerHandle,
  ListenerOptions,
  Offer,
  StreamInfo,
  Target,
} from './dataplane.js';
import type { NativeLoopbackMachine } from './native-loopback.js';
import type { VchanEvent, VchanOfferAddress } from './vchan.js';

/** The events of the contract, and those for the data plane only. */
export type NativeEvent =
  | Exclude<DataplaneEvent, { readonly kind: 'link-up' }>
  | (Extract<DataplaneEvent, { readonly kind: 'link-up' }> & { readonly lanesToOffer: number })
  /** The peer has granted a further lane. */
  | {
      readonly kind: 'lane-offered';
      readonly link: number;
      readonly lane: number;
      readonly ringRef: number;
      readonly eventChannel: number;
    }
  /** The pages and the ports of a link have been released. */
  | { readonly kind: 'link-released'; readonly link: number }
  /** All pumps have run the ping() of that number. */
  | { readonly kind: 'alive'; readonly ping: number };

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
  abandonHypervisor(): void;
  settleHypervisor(): void;
  close(): Promise<void>;
}

/** The events of the contract, and: the thread has run the ping() of that number. */
export type NativeVchanEvent = VchanEvent | { readonly kind: 'alive'; readonly ping: number };

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
  abandonHypervisor(): void;
  settleHypervisor(): void;
  close(): Promise<void>;
}

/** addon/binding/character_device.h: a pollable character device. Errors carry `code`. */
export interface NativeCharacterDevice {
  write(data: Buffer): void;
  close(): void;
}

/** addon/binding/peer_credentials.h: who connected a UNIX socket, as the kernel recorded it then. */
export interface NativePeerCredentials {
  /** 0 if the process is in another pid namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

export interface Native {
  /** `onData` gets the bytes that were read, and undefined at the end. */
  readonly CharacterDevice: new (
    path: string,
    onData: (data: Buffer | undefined) => void,
  ) => NativeCharacterDevice;
  /** flock(2) on `path` with `text` in it: a function that releases it, undefined if another process holds it. */
  tryLock(path: string, text: string): (() => void) | undefined;
  /** The same on an existing file, which is not changed. */
  tryLockExisting(path: string): (() => void) | undefined;
  readonly Dataplane: new (options: DataplaneOptions, wake: () => void) => NativeDataplane;
  readonly Vchan: new (hypervisor: HypervisorChoice, wake: () => void) => NativeVchan;
  readonly LoopbackMachine: new (limits?: object) => NativeLoopbackMachine;
  /** Of the process that connected the UNIX socket with this descriptor. Throws with `code`. */
  peerCredentials(descriptor: number): NativePeerCredentials;
  /** sd_notify(3): sends `message` as one datagram; `@` at the start of the path: abstract. */
  sdNotify(socketPath: string, message: string): void;
}

const ADDON = '../../../addon/build/Release/xsock.node';

let loaded: Native | undefined;

/** Loads the addon on first use. Throws `ADDON_MISSING` with what to do about it. */
export function loadNative(): Native {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)(ADDON) as Native;
    } catch (error) {
      throw new XsockError(
        'ADDON_MISSING',
        `the native addon does not load (${messageOf(error)}): build it with 'npm run build'`,
        { cause: error },
      );
    }
  }
  return loaded;
}
