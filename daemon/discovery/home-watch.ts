/**
 * Watches the mark that the daemon has in its domain's home, and reports what happened to the home when the mark is lost:
 *
 * - *restored*: the domain was saved and restored, or migrated. Grants and event channels do not come along, the
 *   domid may be another, and open links are dead without notice. Linux sets all watches again then, so each
 *   fires, also one on a path where nobody ever writes: that is the only sign of it.
 * - *rewritten*: a toolstack that started late, or an operator, has removed our nodes. Nothing else has changed.
 *
 * Domain 0 cannot be restored.
 */
import type { Logger } from 'pino';
import { retryDelay } from '../backoff.js';
import { isXsockError, XsockError } from '../errors.js';
import { type DomId, type EventChannelPort, parseDomId } from '../ids.js';
import { Retry } from '../retry.js';
import { TokenBucket } from '../token-bucket.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { daemonNode, NOBODY_WRITES, OWN_DOMID } from '../xenstore/paths.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';

export interface HomeWatchParts {
  readonly xenstore: Xenstore;
  readonly domid: DomId;
  /** The mark of this start of the daemon. */
  readonly instance: string;
  readonly log: Logger;
  /** Called once, and nothing afterwards. */
  readonly onRestored: () => void;
  /**
   * At the time of a check the domain was unchanged, and its home too. `ports`: event channels whose close was
   * deferred before the check began, each named once. What was deferred later may be of a restored domain.
   */
  readonly onSame: (ports: readonly EventChannelPort[]) => void;
  /** The domain is unchanged, but what we published is gone. `ports` as above. */
  readonly onRewritten: (ports: readonly EventChannelPort[]) => void;
}

/** A program that removes our nodes in a loop must not set our pace: each time costs some requests per peer. */
const REWRITTEN_AT_ONCE = 3;
const REWRITTEN_PER_SECOND = 0.1;

export class HomeWatch {
  readonly #parts: HomeWatchParts;
  readonly #restorable: boolean;
  readonly #looks: Retry;
  readonly #pace = new TokenBucket(REWRITTEN_AT_ONCE, REWRITTEN_PER_SECOND);
  #watches: readonly Watch[] = [];
  /** Events of the watch on the path where nobody writes: how often it was set. */
  #sets = 0;
  /** Of these, those after which the mark was seen. */
  #explained = 0;
  /** Their close is deferred until a check that begins later. */
  readonly #deferred: EventChannelPort[] = [];
  #later: NodeJS.Timeout | undefined;
  #over = false;

  constructor(parts: HomeWatchParts) {
    this.#parts = parts;
    this.#restorable = parts.domid !== 0;
    this.#looks = new Retry({
      work: () => this.#look(),
      onFailure: error =>
        parts.log.error({ err: error }, 'failed to read our own nodes in xenstore; retrying'),
      delay: failures => retryDelay(failures, Math.random()),
    });
  }

  /** The mark has been written. */
  async start(): Promise<void> {
    const { xenstore, domid } = this.#parts;
    const onSet = (): void => {
      this.#sets += 1;
      this.look();
    };
    this.#watches = await Promise.all([
      ...(this.#restorable ? [xenstore.watch(NOBODY_WRITES, onSet)] : []),
      xenstore.watch(daemonNode(domid), () => this.look()),
    ]);
  }

  /** Checks now; the result is reported by the callbacks. */
  look(): void {
    void this.#looks.run();
  }

  /** Checks now, and names these event channels if the domain is unchanged. */
  closesDeferred(ports: readonly EventChannelPort[]): void {
    this.#deferred.push(...ports);
    this.look();
  }

  async close(): Promise<void> {
    this.#over = true;
    clearTimeout(this.#later);
    // A check in progress is not awaited: it reports nothing from now on.
    void this.#looks.stop();
    await Promise.all(this.#watches.map(watch => watch.close()));
  }

  async #look(): Promise<void> {
    if (this.#over) {
      return;
    }
    const { onRestored, onSame, onRewritten } = this.#parts;
    const before = this.#deferred.length;
    let verdict: 'same' | 'restored' | 'rewritten';
    try {
      verdict = await this.#verdict();
    } catch (error) {
      // The watches fire again when xenstored is back.
      if (isXsockError(error, 'XENSTORE_GONE')) {
        return;
      }
      throw error;
    }
    if (this.#over) {
      return;
    }
    if (verdict === 'restored') {
      this.#over = true;
      onRestored();
    } else if (verdict === 'same') {
      onSame(this.#deferred.splice(0, before));
    } else {
      const wait = this.#pace.take();
      if (wait === 0) {
        onRewritten(this.#deferred.splice(0, before));
      } else {
        clearTimeout(this.#later);
        this.#later = setTimeout(() => this.look(), wait).unref();
      }
    }
  }

  async #verdict(): Promise<'same' | 'restored' | 'rewritten'> {
    const { domid, instance } = this.#parts;
    const sets = this.#sets;
    const now = this.#restorable ? parseDomId((await this.#read(OWN_DOMID)) ?? '') : domid;
    if (now === domid && (await this.#read(daemonNode(domid))) === instance) {
      this.#explained = sets;
      return 'same';
    }
    if (!this.#restorable) {
      return 'rewritten';
    }
    if (now !== undefined && now !== domid) {
      return 'restored';
    }
    await this.#pastEvents();
    return this.#sets > this.#explained ? 'restored' : 'rewritten';
  }

  /** Events arrive in order: once that of a new watch has arrived, all pending ones have. */
  async #pastEvents(): Promise<void> {
    let fired = (): void => {};
    const event = new Promise<void>(resolve => {
      fired = resolve;
    });
    const probe = await this.#parts.xenstore.watch(NOBODY_WRITES, () => fired());
    try {
      if (probe.problem !== undefined) {
        throw new XsockError(
          'XENSTORE',
          `it is unknown whether the domain was restored: ${probe.problem}`,
        );
      }
      await event;
    } finally {
      await probe.close();
    }
  }

  #read(path: string): Promise<string | undefined> {
    return unlessAbsent(this.#parts.xenstore.read(path));
  }
}
