/**
 * Limits how many log lines of each kind one peer can cause: a burst, a rate per minute from then on, and
 * one line that counts the suppressed ones. Its state is bounded by the number of kinds.
 */
import { TokenBucket } from '../token-bucket.js';

export interface LineLimits {
  /** Burst: lines of one kind. */
  readonly burst: number;
  /** Rate from then on; the lines that count suppressed ones are included. */
  readonly perSecond: number;
  /** Kinds with a count of their own; further ones share one. */
  readonly kinds: number;
}

/** A peer that causes lines of a dozen kinds in a loop gets some hundred per minute, at 12 per minute and kind. */
const LINE_LIMITS: LineLimits = { burst: 30, perSecond: 0.2, kinds: 64 };
const OTHER_KINDS = 'other lines';

interface Account {
  readonly lines: TokenBucket;
  /** Suppressed since the last line. */
  leftOut: number;
  timer: NodeJS.Timeout | undefined;
}

export class LineLimiter {
  readonly #limits: LineLimits;
  readonly #onLeftOut: (kind: string, count: number) => void;
  readonly #accounts = new Map<string, Account>();

  /** `onLeftOut` writes the line that counts lines of a kind. */
  constructor(onLeftOut: (kind: string, count: number) => void, limits: LineLimits = LINE_LIMITS) {
    this.#onLeftOut = onLeftOut;
    this.#limits = limits;
  }

  /** True: write this line. False: it is counted. `kind` is our own text, not the peer's. */
  mayWrite(kind: string): boolean {
    const account = this.#account(kind);
    const wait = account.lines.take();
    // While a count is pending, further lines are added to it.
    if (wait === 0 && account.timer === undefined) return true;
    account.leftOut += 1;
    account.timer ??= setTimeout(() => this.#report(kind, account), wait).unref();
    return false;
  }

  /** Reports all counts now: nothing follows. */
  close(): void {
    for (const [kind, account] of this.#accounts) {
      if (account.leftOut > 0) this.#report(kind, account);
    }
    this.#accounts.clear();
  }

  #account(kind: string): Account {
    const known = this.#accounts.get(kind);
    if (known !== undefined) return known;
    const { burst, perSecond, kinds } = this.#limits;
    if (this.#accounts.size >= kinds && kind !== OTHER_KINDS) return this.#account(OTHER_KINDS);
    const account = { lines: new TokenBucket(burst, perSecond), leftOut: 0, timer: undefined };
    this.#accounts.set(kind, account);
    return account;
  }

  #report(kind: string, account: Account): void {
    clearTimeout(account.timer);
    account.timer = undefined;
    account.lines.take();
    const { leftOut } = account;
    account.leftOut = 0;
    this.#onLeftOut(kind, leftOut);
  }
}
