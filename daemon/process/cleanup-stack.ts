/** Cleanup steps of a run, run in the reverse order of their registration, whatever fails in between. */
export class CleanupStack {
  readonly #closers: (() => void | Promise<void>)[] = [];
  readonly #cancellers: (() => void)[] = [];

  add(close: () => void | Promise<void>): void {
    this.#closers.push(close);
  }

  /** `cancel` is called by cancelPending(): it makes what waits for another process fail immediately. */
  addCanceller(cancel: () => void): void {
    this.#cancellers.push(cancel);
  }

  /** From now on nothing waits for other processes. close() follows, or is under way. */
  cancelPending(): void {
    for (const cancel of this.#cancellers) cancel();
  }

  /** Runs all steps once; `onError` is called for each that fails. */
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
