/**
 * The output of log lines, so that no reader can hurt the process: one that stalls makes lines drop instead
 * of memory grow, one that is gone makes them drop instead of ending the process. Dropped lines are counted, and
 * the count is logged once lines can be written again.
 */
import { Writable } from 'node:stream';

/** Bytes buffered for a slow reader; some thousand lines. */
export const MAX_WAITING = 1024 * 1024;

export interface BoundedDestinationParts {
  /** For example standard error. Its errors are handled here; nothing else must write much to it. */
  readonly target: Writable;
  /** Lines can be written again, after so many were dropped. */
  readonly onResumed: (dropped: number) => void;
  readonly maxWaiting?: number;
}

export class BoundedDestination extends Writable {
  readonly #target: Writable;
  readonly #onResumed: (dropped: number) => void;
  readonly #maxWaiting: number;
  /** Lines dropped since the last report. */
  #dropped = 0;

  constructor({ target, onResumed, maxWaiting = MAX_WAITING }: BoundedDestinationParts) {
    super({ decodeStrings: false });
    this.#target = target;
    this.#onResumed = onResumed;
    this.#maxWaiting = maxWaiting;
    // Also passed to write()'s callback, which counts: a closed pipe (EPIPE), a terminal that hung up (EIO),
    // a full disk (ENOSPC). There is nobody to report to.
    if (target.listenerCount('error') === 0) target.on('error', () => {});
  }

  /** Accepts the line immediately, whatever happens to it: the caller never waits. */
  override _write(line: string | Buffer, _encoding: string, taken: () => void): void {
    taken();
    if (this.#target.writableLength + line.length > this.#maxWaiting) {
      this.#dropped += 1;
      return;
    }
    try {
      this.#target.write(line, error => this.#written(error));
    } catch (error) {
      // Files are written within the call, and some versions of Node throw there.
      this.#written(error);
    }
  }

  #written(error: unknown): void {
    if (error !== undefined && error !== null) {
      this.#dropped += 1;
      return;
    }
    // Not at the first byte written: a reader that stays slow would get little else.
    if (this.#dropped === 0 || this.#target.writableLength > this.#maxWaiting / 2) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#onResumed(dropped);
  }
}
