/**
 * That the end of a run does not wait for what never comes, such as an answer of a xenstored that hangs. Once it is
 * to end there is time for the streams (the drain) and two seconds for the rest; after a further signal, half a second.
 */
import type { Shutdown } from './shutdown.js';

/** Milliseconds after the drain, in which nodes and sockets are taken back. */
const END_MS = 2_000;
/** Of these, the last for what has nothing to wait for any more. */
const LAST_STEP_MS = 500;
/** Milliseconds after a further signal. */
const HURRIED_END_MS = 500;
const HURRIED_LAST_STEP_MS = 250;

export interface EndLimitParts {
  readonly shutdown: Shutdown;
  /** Milliseconds. */
  readonly drain: number;
  /** What others answer is given up: whoever waits for it is to fail now. */
  readonly onLate: () => void;
  /** The process has to end here and now. */
  readonly onOver: () => void;
}

/** From now on. The result ends the limit: the run is over. */
export function limitEnd({ shutdown, drain, onLate, onOver }: EndLimitParts): () => void {
  let timers: readonly NodeJS.Timeout[] = [];
  let end = Number.POSITIVE_INFINITY;
  const within = (limit: number, lastStep: number): void => {
    // Never later than said before.
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
