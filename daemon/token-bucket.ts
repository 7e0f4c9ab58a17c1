/** A token bucket: a burst, then a rate per second. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perSecond: number;
  #tokens: number;
  /** Milliseconds on the monotonic clock when `#tokens` was updated. */
  #at = performance.now();

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#tokens = burst;
  }

  /** Takes one; or takes none, and returns in how many milliseconds there will be one. */
  take(): number {
    const now = performance.now();
    const grown = this.#tokens + ((now - this.#at) * this.#perSecond) / 1000;
    this.#tokens = Math.min(this.#burst, grown);
    this.#at = now;
    if (this.#tokens < 1) {
      return Math.ceil(((1 - this.#tokens) * 1000) / this.#perSecond);
    }
    this.#tokens -= 1;
    return 0;
  }
}
