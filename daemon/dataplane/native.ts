/**
 * The interface to the addon: its types, and the only place that loads it. What C++ does behind these
 * signatures is described in addon/binding/.
 */
import { createRequire } from 'node:module';
import { messageOf, XsockError } from '../errors.js';
import type {
  DataplaneOptions,
  HypervisorChoice,
  NativeDataplane,
  NativeVchan,
} from './boundary.js';
import type { NativeLoopbackMachine } from './native-loopback.js';

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
  /** What crosses as C++ describes it: types of TypeScript, by the names that boundary.ts gives them. */
  describe(): Readonly<Record<string, string>>;
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
