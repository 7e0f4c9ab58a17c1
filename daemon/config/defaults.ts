/** The defaults and bounds of the configuration, in plain units (bytes, milliseconds). */
import type { Config, ImportConfig, LogConfig } from './config.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const second = 1000;
const minute = 60 * second;

export const DEFAULT_RUN = '/run/xsock';
export const DEFAULT_LOG: LogConfig = { level: 'info', format: 'auto' };
/** Access for xsock's group, none for others. */
export const DEFAULT_MODE = 0o660;
export const DEFAULT_LIMITS: Config['limits'] = {
  streamsPerPeer: 16_384,
  memoryPerStream: 512 * KiB,
  memoryTotal: 512 * MiB,
};
/** Microseconds: a few times what waking up costs, as KVM's halt_poll_ns. */
export const DEFAULT_POLL_TIME = 200;
/** A peer that died without notice is detected within 5 seconds. */
export const DEFAULT_HEARTBEAT = { interval: 1 * second, timeout: 4 * second } as const;
export const DEFAULT_DRAIN_TIMEOUT = 10 * second;

/** The rule that stands in for a missing `imports`: every service of every peer. */
export const IMPORT_EVERYTHING: ImportConfig = {
  peer: { kind: 'any' },
  service: { kind: 'any' },
  owner: undefined,
  group: undefined,
  mode: DEFAULT_MODE,
  tcp: undefined,
  vchan: undefined,
  source: undefined,
};

/** Both ends included. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** Bytes. Less than 32 KiB would stall on every frame; the window field holds no more than 16 MiB. */
export const MEMORY_PER_STREAM: Bounds = { min: 32 * KiB, max: 16 * MiB };
/** Bytes. The lower bound that counts is memory-per-stream. */
export const MEMORY_TOTAL: Bounds = { min: 32 * KiB, max: 1024 * GiB };
/** Bytes, powers of two only: orders 12..20 of the libxenvchan page. */
export const RING_SIZE: Bounds = { min: 4 * KiB, max: MiB };
/** Milliseconds. More often than every 50 ms would keep idle domains awake. */
export const HEARTBEAT_INTERVAL: Bounds = { min: 50, max: minute };
/** Milliseconds. The lower bound that counts is twice the interval. */
export const HEARTBEAT_TIMEOUT: Bounds = { min: 100, max: 10 * minute };
/** Milliseconds. Longer would waste a CPU. */
export const POLL_TIME: Bounds = { min: 0, max: 10 };
/** Milliseconds. */
export const DRAIN_TIMEOUT: Bounds = { min: 0, max: 10 * minute };
/** Bytes of the run directory, so that `/<domid>/port/<n>` still fits in `sun_path`. */
export const RUN_MAX = 90;
/** Bytes of a UNIX socket's path: `sun_path` without its final zero. */
export const UNIX_PATH_MAX = 107;
