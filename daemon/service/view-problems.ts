/**
 * What of one peer's view could not be created, why, and when it is retried: with growing pauses for as
 * long as the problem stays.
 */

import { retryDelay } from '../backoff.js';
import { isXsockError, messageOf } from '../errors.js';

/** Not specific to one socket: the next would fail in the same way. */
const OF_THE_SYSTEM = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EDQUOT'];

/** A limit of the system or of the process prevents every further socket. */
export function isOfTheSystem(error: unknown): boolean {
  const errno = isXsockError(error)
    ? error.errno
    : error instanceof Error && 'code' in error
      ? error.code
      : undefined;
  return typeof errno === 'string' && OF_THE_SYSTEM.includes(errno);
}

interface Problem<Item> {
  readonly item: Item;
  readonly why: string;
  /** Trying again would not help. */
  readonly lasting: boolean;
}

export class ViewProblems<Item> {
  readonly #retry: () => void;
  readonly #problems = new Map<string, Problem<Item>>();
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(retry: () => void) {
    this.#retry = retry;
  }

  get size(): number {
    return this.#problems.size;
  }

  all(): Iterable<{ readonly item: Item; readonly why: string }> {
    return this.#problems.values();
  }

  /** True if it is a new one, to be logged. */
  add(key: string, item: Item, error: unknown): boolean {
    const why = messageOf(error);
    const known = this.#problems.get(key)?.why === why;
    this.#problems.set(key, { item, why, lasting: isXsockError(error, 'PATH_TOO_LONG') });
    return !known;
  }

  /** True if there was a problem. */
  solved(key: string): boolean {
    return this.#problems.delete(key);
  }

  /** Only what is still wanted can be a problem. */
  keep(isWanted: (key: string) => boolean): void {
    for (const key of this.#problems.keys()) {
      if (!isWanted(key)) this.#problems.delete(key);
    }
  }

  /** All that is wanted was tried; what failed is retried after a pause. */
  tried(): void {
    clearTimeout(this.#timer);
    if ([...this.#problems.values()].every(({ lasting }) => lasting)) {
      this.#failures = 0;
      return;
    }
    this.#failures += 1;
    this.#timer = setTimeout(this.#retry, retryDelay(this.#failures, Math.random()));
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
