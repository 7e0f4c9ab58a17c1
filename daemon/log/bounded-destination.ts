/**
 * Where log lines leave the process, so that no reader can hurt it: one that stalls makes lines drop instead
 * of memory grow, one that is gone makes them drop instead of the process end. What was dropped is counted, and
 * told once lines can be written again.
 */
import { Writable } from 'node:stream';

/** Bytes that wait for a reader that is slow; some thousand lines. */
export const MAX_WAITING = 1024 * 1024;

export interface BoundedDestinationParts {
  /** Standard error, say. Its errors are dealt with here; nothing else must write much to it. */
  readonly target: Writable;
  /** Lines can be written again after that many could not be. */
  readonly onResumed: (dropped: number) => void;
  readonly maxWaiting?: number;
}

export class BoundedDestination extends Writable {
  readonly #target: Writable;
  readonly #onResumed: (dropped: number) => void;
  readonly #maxWaiting: number;
  /** Lines since the last one that is told of. */
  #dropped = 0;

  constructor({ target, onResumed, maxWaiting = MAX_WAITING }: BoundedDestinationParts) {
    super({ decodeStrings: false });
    this.#target = target;
    this.#onResumed = onResumed;
    this.#maxWaiting = maxWaiting;
    // Told to write()'s callback as well, which counts: a closed pipe (EPIPE), a terminal that hung up (EIO),
    // a full disk (ENOSPC). There is nobody to tell.
    if (target.listenerCount('error') === 0) target.on('error', () => {});
  }

  /** Takes the line at once, whatever becomes of it: whoever logs is never made to wait. */
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
    // Not at the first byte that leaves: a reader that is slow for long would get little else.
    if (this.#dropped === 0 || this.#target.writableLength > this.#maxWaiting / 2) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#onResumed(dropped);
  }
}
