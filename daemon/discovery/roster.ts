/**
 * Which domains to link with: those of the configuration, by domid or by name; else, in domain 0 every
 * other domain, as they come and go, and in a guest domain 0 alone.
 */
import type { Logger } from 'pino';
import type { PeerConfig } from '../config/config.js';
import { formatSource } from '../config/problems.js';
import { isXsockError } from '../errors.js';
import { type DomId, toDomId } from '../ids.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import { DirectoryReader } from './directory-reader.js';
import type { DomainSource, KnownDomain } from './domains.js';
import { ToolstackDomains } from './toolstack.js';

export interface RosterEntry {
  readonly domid: DomId;
  /** As the toolstack (read by domain 0, or told by it) or the operator calls it. */
  readonly name: string | undefined;
  /** As the toolstack wrote it, if it is known. */
  readonly uuid: string | undefined;
}

const DOM0 = toDomId(0) as DomId;

/** What the configuration says of it. */
export interface RosterConfig {
  readonly peers: readonly PeerConfig[] | undefined;
  readonly directory: { readonly trust: boolean };
}

export interface RosterParts {
  readonly xenstore: Xenstore;
  readonly self: DomId;
  readonly log: Logger;
  /** `known`: all domains of the host; undefined where nobody tells. */
  readonly onRoster: (
    entries: readonly RosterEntry[],
    known: readonly KnownDomain[] | undefined,
  ) => void;
  /** Domains that are there although xenstore does not list them: it has lost its contents. */
  readonly forgotten: (listed: readonly DomId[]) => Promise<readonly DomId[]>;
}

/** What has nothing left that can fail. */
export interface PreparedRoster {
  commit(): Promise<void>;
}

export class Roster {
  readonly #parts: RosterParts;
  #config: RosterConfig;
  #source: DomainSource | undefined;
  #stale = false;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(parts: RosterParts, config: RosterConfig) {
    this.#parts = parts;
    this.#config = config;
  }

  async start(): Promise<void> {
    const prepared = await this.prepare(this.#config);
    await prepared.commit();
  }

  /**
   * Other peers, or another place to learn of them (a reload). Throws what keeps the place from being
   * watched (`XENSTORE`, `XENSTORE_GONE`), and then nothing has changed.
   */
  async prepare(config: RosterConfig): Promise<PreparedRoster> {
    const wanted = this.#parts.self === DOM0 || config.directory.trust;
    const source = wanted ? (this.#source ?? (await this.#startSource())) : undefined;
    return {
      commit: async () => {
        const old = this.#source;
        this.#config = config;
        this.#source = source;
        if (old !== source) await this.#closeSource(old);
        this.#warnOfNames(config, wanted);
        await this.look();
      },
    };
  }

  async #startSource(): Promise<DomainSource> {
    const { self, xenstore } = this.#parts;
    const source = self === DOM0 ? new ToolstackDomains(xenstore) : new DirectoryReader(xenstore);
    await source.start(() => void this.look());
    return source;
  }

  async #closeSource(source: DomainSource | undefined): Promise<void> {
    try {
      await source?.close();
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'the watch on the list of domains was not closed');
    }
  }

  #warnOfNames({ peers }: RosterConfig, namesAreKnown: boolean): void {
    for (const { domid, name, source } of peers ?? []) {
      if (domid === undefined && !namesAreKnown) {
        const place = `${formatSource(source)}`;
        this.#parts.log.warn(
          `${place}: domain '${name}' cannot be found by name without directory.trust`,
        );
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
    await this.#source?.close();
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
        const known = await this.#known();
        if (!this.#closed) {
          this.#parts.onRoster(this.#entries(known), known);
        }
      }
    } catch (error) {
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        this.#parts.log.error({ err: error }, 'the list of domains cannot be read');
      }
    }
  }

  async #known(): Promise<readonly KnownDomain[] | undefined> {
    if (this.#source === undefined) {
      return undefined;
    }
    const listed = await this.#source.list();
    const forgotten =
      this.#parts.self === DOM0
        ? await this.#parts.forgotten(listed.map(({ domid }) => domid))
        : [];
    return [
      ...listed,
      ...forgotten.map(domid => ({ domid, name: undefined, uuid: undefined })),
    ].sort((a, b) => a.domid - b.domid);
  }

  #entries(known: readonly KnownDomain[] | undefined): readonly RosterEntry[] {
    const { self } = this.#parts;
    const entries = new Map<DomId, RosterEntry>();
    for (const entry of this.#candidates(known)) {
      // The first word of the configuration counts.
      if (entry.domid !== self && !entries.has(entry.domid)) entries.set(entry.domid, entry);
    }
    return [...entries.values()];
  }

  #candidates(known: readonly KnownDomain[] | undefined): readonly RosterEntry[] {
    const { self } = this.#parts;
    const { peers } = this.#config;
    if (peers === undefined) {
      const all = known ?? [{ domid: DOM0, name: undefined, uuid: undefined }];
      return self === DOM0 ? all : [describe(DOM0, known)];
    }
    return peers.flatMap(peer => {
      const domid = peer.domid ?? known?.find(({ name }) => name === peer.name)?.domid;
      const gone = self === DOM0 && !known?.some(domain => domain.domid === domid);
      if (domid === undefined || gone) return [];
      const entry = describe(domid, known);
      return [{ ...entry, name: peer.name ?? entry.name }];
    });
  }
}

function describe(domid: DomId, known: readonly KnownDomain[] | undefined): RosterEntry {
  const found = known?.find(domain => domain.domid === domid);
  return { domid, name: found?.name, uuid: found?.uuid };
}
