/** Bounds the concurrent and the queued pieces of work for each key. */
export class Turns {
  readonly #inFlight: number;
  readonly #waiting: number;
  readonly #keys = new Map<string, { running: number; readonly queue: (() => void)[] }>();

  constructor({ inFlight, waiting }: { readonly inFlight: number; readonly waiting: number }) {
    this.#inFlight = inFlight;
    this.#waiting = waiting;
  }

  /** Resolves when it is this one's turn; undefined: too many wait already. end() has to follow. */
  take(key: string): Promise<void> | undefined {
    let entry = this.#keys.get(key);
    if (entry === undefined) {
      entry = { running: 0, queue: [] };
      this.#keys.set(key, entry);
    }
    if (entry.running < this.#inFlight) {
      entry.running += 1;
      return Promise.resolve();
    }
    const { queue } = entry;
    if (queue.length >= this.#waiting) return undefined;
    return new Promise(resolve => queue.push(resolve));
  }

  end(key: string): void {
    const entry = this.#keys.get(key);
    if (entry === undefined) return;
    const next = entry.queue.shift();
    // The turn is passed to the next one.
    if (next !== undefined) next();
    else if (--entry.running === 0) this.#keys.delete(key);
  }
}
