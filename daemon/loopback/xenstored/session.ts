/**
 * One connection as the store sees it: who it is, its watches, its transactions, and the events that
 * wait to be sent. Knows nothing of sockets.
 */
import { StoreError } from './errors.js';
import type { XenstoredLimits } from './limits.js';
import { mayRead, PRIVILEGED } from './permissions.js';
import type { Change } from './state.js';
import type { Transaction } from './transaction.js';
import { joinPath } from './tree.js';

interface SessionWatch {
  /** Absolute, or a special path. */
  readonly path: string;
  readonly token: string;
  /** Set with a path relative to the home: events use the same form. */
  readonly relativeTo: string | undefined;
}

export type SendEvent = (path: string, token: string) => void;

export class Session {
  readonly domid: number;
  readonly transactions = new Map<number, Transaction>();
  readonly #sendEvent: SendEvent;
  #watches: SessionWatch[] = [];
  /** Set by the request that is being answered. */
  #fresh: SessionWatch[] = [];

  constructor(domid: number, sendEvent: SendEvent) {
    this.domid = domid;
    this.#sendEvent = sendEvent;
  }

  get watchCount(): number {
    return this.#watches.length;
  }

  /** `inUse`: watches of the whole domain. It fires once by fireFresh(). */
  addWatch(watch: SessionWatch, inUse: number, limits: XenstoredLimits): void {
    if (this.#watches.some(({ path, token }) => path === watch.path && token === watch.token)) {
      throw new StoreError('EEXIST');
    }
    if (this.domid !== PRIVILEGED && inUse >= limits.watches) {
      throw new StoreError('E2BIG');
    }
    this.#watches.push(watch);
    this.#fresh.push(watch);
  }

  /** The request was answered: a new watch fires once, and never before its answer, as with Xen's xenstoreds. */
  fireFresh(): void {
    for (const watch of this.#fresh.splice(0)) {
      this.#notify(watch, watch.path);
    }
  }

  removeWatch(path: string, token: string): void {
    const index = this.#watches.findIndex(watch => watch.path === path && watch.token === token);
    if (index < 0) {
      throw new StoreError('ENOENT');
    }
    this.#watches.splice(index, 1);
  }

  removeWatches(): void {
    this.#watches = [];
  }

  /** A node changed: fires the watches on it and above it, if this domain may read it. */
  onChange(change: Change): void {
    const path = joinPath(change.path);
    for (const watch of this.#watches) {
      const concerns =
        watch.path === path ||
        (!change.exact && (watch.path === '/' || path.startsWith(`${watch.path}/`)));
      if (concerns && mayRead(change.node, this.domid)) {
        this.#notify(watch, path);
      }
    }
  }

  /** `@introduceDomain` or `@releaseDomain`: for domain 0 alone, as the defaults of xenstored are. */
  onSpecial(path: string): void {
    if (this.domid !== PRIVILEGED) {
      return;
    }
    for (const watch of this.#watches) {
      if (watch.path === path) {
        this.#notify(watch, path);
      }
    }
  }

  #notify(watch: SessionWatch, path: string): void {
    const { relativeTo } = watch;
    const shown =
      relativeTo !== undefined && path.startsWith(`${relativeTo}/`)
        ? path.slice(relativeTo.length + 1)
        : path;
    this.#sendEvent(shown, watch.token);
  }
}
