/**
 * Bounds the time of a shutdown, which must not wait for an answer that never comes, of a xenstored that hangs. Once the run
 * is ending there is time for the streams (the drain) and two seconds for the rest; after a further signal, half a second.
 */
import type { Shutdown } from './shutdown.js';

/** Milliseconds after the drain, in which nodes and sockets are removed. */
const END_MS = 2_000;
/** The last of these, when nothing waits for another process any more. */
const LAST_STEP_MS = 500;
/** Milliseconds after a further signal. */
const HURRIED_END_MS = 500;
const HURRIED_LAST_STEP_MS = 250;

export interface EndLimitParts {
  readonly shutdown: Shutdown;
  /** Milliseconds. */
  readonly drain: number;
  /** Answers of other processes are no longer awaited: pending calls are to fail now. */
  readonly onLate: () => void;
  /** The process has to exit immediately. */
  readonly onOver: () => void;
}

/** Starts the limit. Call the result when the run has ended. */
export function limitEnd({ shutdown, drain, onLate, onOver }: EndLimitParts): () => void {
  let timers: readonly NodeJS.Timeout[] = [];
  let end = Number.POSITIVE_INFINITY;
  const within = (limit: number, lastStep: number): void => {
    // Never later than set before.
    if (performance.now() + limit >= end) return;
    end = performance.now() + limit;
    for (const timer of timers) clearTimeout(timer);
    timers = [setTimeout(onLate, limit - lastStep), setTimeout(onOver, limit)];
  };
  void shutdown.requested.then(({ kind }) =>
    // Without the hypervisor, or after a restore, there is nobody to drain to.
    within((kind === 'signal' ? drain : 0) + END_MS, LAST_STEP_MS),
  );
  void shutdown.hurried.then(() => within(HURRIED_END_MS, HURRIED_LAST_STEP_MS));
  return () => {
    end = 0;
    for (const timer of timers) clearTimeout(timer);
  };
}
