/**
 * Which domains to link with: those of the configuration; else, in domain 0 every other domain, as they
 * come and go, and in a guest domain 0 alone.
 */
import type { Logger } from 'pino';
import type { PeerConfig } from '../config/config.js';
import { isXsockError } from '../errors.js';
import { type DomId, parseDomId, toDomId } from '../ids.js';
import { isDomainName } from '../service/name.js';
import { DOMAINS, domainName } from '../xenstore/paths.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';

export interface RosterEntry {
  readonly domid: DomId;
  /** As the toolstack (read by domain 0) or the operator calls it. */
  readonly name: string | undefined;
}

const DOM0 = toDomId(0) as DomId;

export interface RosterParts {
  readonly xenstore: Xenstore;
  readonly self: DomId;
  readonly log: Logger;
  readonly onRoster: (entries: readonly RosterEntry[]) => void;
  /** Domains that are there although xenstore does not list them: it has lost its contents. */
  readonly forgotten: (listed: readonly DomId[]) => Promise<readonly DomId[]>;
}

export class Roster {
  readonly #parts: RosterParts;
  #configured: readonly PeerConfig[] | undefined;
  #watches: Watch[] = [];
  #stale = false;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(parts: RosterParts, configured: readonly PeerConfig[] | undefined) {
    this.#parts = parts;
    this.#configured = configured;
  }

  async start(): Promise<void> {
    if (this.#parts.self === DOM0) {
      for (const path of ['@introduceDomain', '@releaseDomain']) {
        this.#watches.push(await this.#parts.xenstore.watch(path, () => void this.look()));
      }
    }
    await this.look();
  }

  /** Other peers from now on (a reload). */
  async configure(configured: readonly PeerConfig[] | undefined): Promise<void> {
    this.#configured = configured;
    await this.look();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#watches.map(watch => watch.close()));
  }

  /** Looks at the domains that there are now, and once more if asked to meanwhile. */
  look(): Promise<void> {
    this.#stale = true;
    this.#looking ??= this.#lookUntilFresh().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookUntilFresh(): Promise<void> {
    try {
      while (this.#stale && !this.#closed) {
        this.#stale = false;
        const entries = await this.#entries();
        if (!this.#closed) {
          this.#parts.onRoster(entries);
        }
      }
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        this.#parts.log.error({ err: error }, 'the list of domains cannot be read');
      }
    }
  }

  async #entries(): Promise<readonly RosterEntry[]> {
    const configured = this.#configured?.filter(peer => peer.domid !== this.#parts.self);
    if (this.#parts.self !== DOM0) {
      return configured ?? [{ domid: DOM0, name: undefined }];
    }
    const present = await this.#domains();
    const wanted = configured?.filter(peer => present.includes(peer.domid)) ?? present;
    return await Promise.all(
      wanted.map(async peer => {
        const domid = typeof peer === 'number' ? peer : peer.domid;
        const given = typeof peer === 'number' ? undefined : peer.name;
        return { domid, name: given ?? (await this.#name(domid)) };
      }),
    );
  }

  async #domains(): Promise<readonly DomId[]> {
    const names = await this.#parts.xenstore.list(DOMAINS);
    const listed = names
      .map(parseDomId)
      .filter(domid => domid !== undefined)
      .filter(domid => domid !== this.#parts.self);
    return [...listed, ...(await this.#parts.forgotten(listed))].sort((a, b) => a - b);
  }

  /** Nobody but the toolstack can write it; still only a possible file name is taken. */
  async #name(domid: DomId): Promise<string | undefined> {
    try {
      const name = await this.#parts.xenstore.read(domainName(domid));
      return isDomainName(name) ? name : undefined;
    } catch (error) {
      if (isXsockError(error, 'XENSTORE')) {
        return undefined; // it has just gone
      }
      throw error;
    }
  }
}
