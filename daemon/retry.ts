/**
 * Work that is retried, with growing pauses, until it succeeds: nothing that the daemon has to do may fail
 * once and then never happen. One attempt at a time; being asked again during one leads to one more.
 */
import { messageOf } from './errors.js';

export interface RetryParts {
  readonly work: () => Promise<void>;
  /** Called on a failure, once for each run of equal messages. */
  readonly onFailure: (error: unknown) => void;
  /** Milliseconds after so many consecutive failures (1, 2, ...). */
  readonly delay: (failures: number) => number;
}

export class Retry {
  readonly #parts: RetryParts;
  #wanted = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #problem: string | undefined;
  #stopped = false;

  constructor(parts: RetryParts) {
    this.#parts = parts;
  }

  /** Why the last attempt failed; undefined if it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Runs now, whatever the pause. Resolves, and never rejects, when the attempt has ended. */
  run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#wanted = true;
    this.#running ??= this.#attempts();
    return this.#running;
  }

  /** No further attempt; resolves when none is in progress. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #attempts(): Promise<void> {
    try {
      // Requests during an attempt that fails wait for the pause: the caller must not set the pace.
      while (this.#wanted && !this.#stopped && (await this.#attempt())) {}
    } finally {
      this.#running = undefined;
    }
  }

  async #attempt(): Promise<boolean> {
    this.#wanted = false;
    try {
      await this.#parts.work();
    } catch (error) {
      this.#failed(error);
      return false;
    }
    this.#failures = 0;
    this.#problem = undefined;
    return true;
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    const message = messageOf(error);
    if (message !== this.#problem) {
      this.#problem = message;
      this.#parts.onFailure(error);
    }
    if (!this.#stopped) {
      this.#timer = setTimeout(() => void this.run(), this.#parts.delay(this.#failures));
      this.#timer.unref();
    }
  }
}
