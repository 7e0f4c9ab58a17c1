/** What a verb of `xsock` is: one file each, listed in verbs.ts, run by main.ts. */

/** The parsed command line of one verb. */
export interface Invocation {
  readonly operands: readonly string[];
  /** Run directory of the daemon. */
  readonly run: string;
  readonly json: boolean;
}

export interface Verb {
  readonly name: string;
  /** As in a usage line, e.g. `<domain> [service]`; empty if it takes none. */
  readonly operands: string;
  /** One line of the overview. */
  readonly summary: string;
  /** More for `xsock help <verb>`: what it does, what its exit codes are. */
  readonly details: string;
  /** Least and most operands. */
  readonly arity: readonly [number, number];
  /** Whether it supports --json. */
  readonly json: boolean;
  /** The exit code. Throws XsockError. */
  readonly execute: (invocation: Invocation) => Promise<number>;
}
