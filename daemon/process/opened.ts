/** What is open, to be closed in the opposite order, whatever goes wrong in between. */
export class Opened {
  readonly #closers: (() => void | Promise<void>)[] = [];

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
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
