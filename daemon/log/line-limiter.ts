/**
 * How many log lines of each kind one peer can cause: so many at once, so many a minute from then on, and
 * one line that counts the rest. What is kept for it is bounded by the number of kinds.
 */
import { TokenBucket } from '../token-bucket.js';

export interface LineLimits {
  /** Lines of one kind at once. */
  readonly burst: number;
  /** From then on; the lines that count what was left out are among them. */
  readonly perSecond: number;
  /** Kinds with a count of their own; further ones share one. */
  readonly kinds: number;
}

/** A peer that causes lines of a dozen kinds without end gets some hundred a minute, at 12 a minute and kind. */
const LINE_LIMITS: LineLimits = { burst: 30, perSecond: 0.2, kinds: 64 };
const OTHER_KINDS = 'other lines';

interface Account {
  readonly lines: TokenBucket;
  /** Not written since the last line. */
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

  /** True: write this line. False: it is counted. `kind` is a text of ours, not of the peer's. */
  mayWrite(kind: string): boolean {
    const account = this.#account(kind);
    const wait = account.lines.take();
    // While a count is due, lines that come before it are in it.
    if (wait === 0 && account.timer === undefined) return true;
    account.leftOut += 1;
    account.timer ??= setTimeout(() => this.#tell(kind, account), wait).unref();
    return false;
  }

  /** Tells all counts now: nothing follows. */
  close(): void {
    for (const [kind, account] of this.#accounts) {
      if (account.leftOut > 0) this.#tell(kind, account);
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

  #tell(kind: string, account: Account): void {
    clearTimeout(account.timer);
    account.timer = undefined;
    account.lines.take();
    const { leftOut } = account;
    account.leftOut = 0;
    this.#onLeftOut(kind, leftOut);
  }
}
