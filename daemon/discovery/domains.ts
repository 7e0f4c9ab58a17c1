/** The domains of this host, and the interface of the two sources of them. */
import type { DomId } from '../ids.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';

export interface KnownDomain {
  readonly domid: DomId;
  /** As the toolstack calls it; undefined if unknown, or if it cannot be a file name. */
  readonly name: string | undefined;
  /** As the toolstack wrote it: 36 characters, lower case. */
  readonly uuid: string | undefined;
}

export interface DomainSource {
  /** Calls back whenever list() may return something new; and once immediately. */
  start(onChange: () => void): Promise<void>;
  /** Why changes may go unseen now, for people; undefined while all watches are set. */
  readonly problem: string | undefined;
  /**
   * Undefined: the source is not there now, which says nothing about the domains. Throws `XENSTORE_GONE`, or `XENSTORE`
   * for errors that a domain that has just gone does not explain.
   */
  list(): Promise<readonly KnownDomain[] | undefined>;
  /** The list() entry of this domain. Throws as list() does. */
  describe(domid: DomId): Promise<KnownDomain>;
  close(): Promise<void>;
}

/** A changing set of watches, of which none is left behind whatever is in progress. */
export class WatchSet {
  readonly #xenstore: Xenstore;
  readonly #watches = new Map<string, Promise<Watch>>();
  #asked: readonly Watch[] = [];

  constructor(xenstore: Xenstore) {
    this.#xenstore = xenstore;
  }

  /** Of the first that is not set; undefined if all of the last set() are set. */
  get problem(): string | undefined {
    return this.#asked.find(({ problem }) => problem !== undefined)?.problem;
  }

  /** Watches exactly these from now on. */
  async set(paths: readonly string[], onChange: () => void): Promise<void> {
    const wanted = new Set(paths);
    const gone = [...this.#watches.keys()].filter(path => !wanted.has(path));
    for (const path of wanted) {
      if (!this.#watches.has(path)) {
        this.#watches.set(path, this.#xenstore.watch(path, onChange));
      }
    }
    const closing = gone.map(path => this.#remove(path));
    this.#asked = await Promise.all(this.#watches.values());
    await Promise.all(closing);
  }

  async #remove(path: string): Promise<void> {
    const watch = this.#watches.get(path);
    this.#watches.delete(path);
    await (await watch)?.close();
  }
}
