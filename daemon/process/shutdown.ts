/** What ends a run: signals, or the hypervisor or the domain changing under it. The first cause decides. */

export type ShutdownCause =
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'hypervisor-gone'; readonly detail: string }
  /** The domain was saved and restored: everything has to be reopened. */
  | { readonly kind: 'restored' };

/** The signals that end the daemon in order. */
const ENDING = ['SIGTERM', 'SIGINT'] as const;

/** The ending signals of the whole process. */
export interface Signals {
  /** Resolves with the first. */
  readonly first: Promise<string>;
  /** Resolves when a further one demands an immediate end. */
  readonly further: Promise<void>;
}

/** Listens for the ending signals from now on, for the rest of the process's life. */
export function watchSignals(source: NodeJS.EventEmitter = process): Signals {
  let onFirst: (signal: string) => void = () => {};
  let onFurther: () => void = () => {};
  const first = new Promise<string>(resolve => {
    onFirst = resolve;
  });
  const further = new Promise<void>(resolve => {
    onFurther = resolve;
  });
  let count = 0;
  for (const signal of ENDING) {
    source.on(signal, () => {
      count += 1;
      if (count === 1) onFirst(signal);
      else onFurther();
    });
  }
  return { first, further };
}

/** The end of one run of the daemon. */
export class Shutdown {
  /** Resolves with the first cause. */
  readonly requested: Promise<ShutdownCause>;
  /** Resolves when the run has to end immediately. */
  readonly hurried: Promise<void>;
  #request: (cause: ShutdownCause) => void = () => {};
  #isRequested = false;

  constructor(signals: Signals) {
    const request = new Promise<ShutdownCause>(resolve => {
      this.#request = resolve;
    });
    const signal = signals.first.then(name => ({ kind: 'signal', signal: name }) as const);
    this.requested = Promise.race([request, signal]);
    this.hurried = signals.further;
    void this.requested.then(() => {
      this.#isRequested = true;
    });
  }

  /** There was a cause. */
  get isRequested(): boolean {
    return this.#isRequested;
  }

  /** A cause other than a signal. */
  request(cause: ShutdownCause): void {
    this.#request(cause);
  }
}
