/** What is open, to be closed in the opposite order, whatever goes wrong in between. */
export class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];
  readonly #quitters: (() => void)[] = [];

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** What is called by giveUp(): fails at once whoever waits for another process. */
  addWaiting(giveUp: () => void): void {
    this.#quitters.push(giveUp);
  }

  /** From now on nothing waits for other processes. close() is still to come, or under way. */
  giveUp(): void {
    for (const quit of this.#quitters) quit();
  }

  /** Closes everything once; `onError` hears of each that could not be. */
  async close(onError: (error: unknown) => void): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) {
      try {
        await close();
      } catch (error) {
        onError(error);
      }
    }
  }
}
