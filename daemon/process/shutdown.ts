/** What ends the process: signals, or the hypervisor going away. The first cause decides. */

export type ShutdownCause =
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'hypervisor-gone'; readonly detail: string };

/** The signals that end the daemon in order. */
const ENDING = ['SIGTERM', 'SIGINT'] as const;

export interface Shutdown {
  /** Resolves with the first cause. */
  readonly requested: Promise<ShutdownCause>;
  /** Resolves when a further signal says that the rest must not wait. */
  readonly hurried: Promise<void>;
  /** A cause other than a signal. */
  request(cause: ShutdownCause): void;
}

/** Listens for the ending signals from now on, for the rest of the process's life. */
export function watchShutdown(source: NodeJS.EventEmitter = process): Shutdown {
  let request: (cause: ShutdownCause) => void = () => {};
  let hurry: () => void = () => {};
  const requested = new Promise<ShutdownCause>(resolve => {
    request = resolve;
  });
  const hurried = new Promise<void>(resolve => {
    hurry = resolve;
  });
  let signals = 0;
  for (const signal of ENDING) {
    source.on(signal, () => {
      signals += 1;
      if (signals === 1) request({ kind: 'signal', signal });
      else hurry();
    });
  }
  return { requested, hurried, request };
}
