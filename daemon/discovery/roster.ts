/**
 * Which domains to link with: those of the configuration, by domid or by name; else, in domain 0 every
 * other domain, as they appear and vanish, and in a guest domain 0 alone.
 *
 * A name read from xenstore is valid as long as a change of it would be seen. Without a connection, until the list is read
 * after the connection is back, or with a watch missing, the domid may by now be another domain's.
 */
import type { Logger } from 'pino';
import { retryDelay } from '../backoff.js';
import type { PeerConfig } from '../config/config.js';
import { formatSource } from '../config/problems.js';
import { isXsockError } from '../errors.js';
import { type DomId, toDomId } from '../ids.js';
import { Retry } from '../retry.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import { DirectoryReader } from './directory-reader.js';
import type { DomainSource, KnownDomain } from './domains.js';
import { ToolstackDomains } from './toolstack.js';

/** The source of a name: the configuration, xenstore, or an earlier state of xenstore that may be outdated. */
export type NameSource = 'operator' | 'xenstore' | 'in-doubt';

export interface RosterEntry {
  readonly domid: DomId;
  /** As the toolstack (read by domain 0, or published by it) or the operator calls it. */
  readonly name: string | undefined;
  readonly nameSource: NameSource;
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
  /** `known`: all domains of the host; undefined where that is unknown. */
  readonly onRoster: (
    entries: readonly RosterEntry[],
    known: readonly KnownDomain[] | undefined,
  ) => void;
  /** Names from xenstore are in doubt until the next onRoster(). */
  readonly onDoubt: () => void;
  /** Domains that exist although xenstore, having lost its contents, does not list them. */
  readonly forgotten: (listed: readonly DomId[]) => Promise<readonly DomId[]>;
}

/** The steps that cannot fail. */
export interface PreparedRoster {
  commit(): Promise<void>;
}

export class Roster {
  readonly #parts: RosterParts;
  readonly #reads: Retry;
  #config: RosterConfig;
  #source: DomainSource | undefined;
  /** From the last read of the list. */
  #known: readonly KnownDomain[] | undefined;
  /** The source was not there at the last read. */
  #absent = false;
  #connected = true;
  /** Incremented with every lost connection: what was read across that is invalid. */
  #connection = 0;
  #closed = false;

  constructor(parts: RosterParts, config: RosterConfig) {
    this.#parts = parts;
    this.#config = config;
    this.#reads = new Retry({
      work: () => this.#refresh(),
      onFailure: error =>
        parts.log.error(
          { err: error },
          `the list of domains cannot be read: domains that come, go or change their names are not seen; retrying`,
        ),
      delay: failures => retryDelay(failures, Math.random()),
    });
  }

  async start(): Promise<void> {
    this.#parts.xenstore.onConnection(connected => this.#onConnection(connected));
    const prepared = await this.prepare(this.#config);
    await prepared.commit();
  }

  /** Other peers, or another source of domains (a reload). */
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
        await this.refresh();
      },
    };
  }

  async #startSource(): Promise<DomainSource> {
    const { self, xenstore } = this.#parts;
    const source = self === DOM0 ? new ToolstackDomains(xenstore) : new DirectoryReader(xenstore);
    await source.start(() => void this.refresh());
    return source;
  }

  async #closeSource(source: DomainSource | undefined): Promise<void> {
    try {
      await source?.close();
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'failed to close the watch on the list of domains');
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
    await this.#reads.stop();
    await this.#source?.close();
  }

  /** Reads the list of current domains, and once more if asked to meanwhile. */
  refresh(): Promise<void> {
    return this.#reads.run();
  }

  /**
   * Before a link to a new daemon of that domid is made: reads the list again if the domid is not that of the domain which the
   * last read has found. Throws as the source does.
   */
  async verify(domid: DomId): Promise<void> {
    const before = this.#known?.find(domain => domain.domid === domid);
    const now = await this.#source?.describe(domid);
    if (now?.name !== before?.name || now?.uuid !== before?.uuid) {
      await this.refresh();
    }
  }

  #onConnection(connected: boolean): void {
    this.#connected = connected;
    if (connected) {
      void this.refresh();
    } else {
      this.#connection += 1;
      this.#parts.onDoubt();
    }
  }

  async #refresh(): Promise<void> {
    const [connected, connection] = [this.#connected, this.#connection];
    let known: readonly KnownDomain[] | undefined;
    try {
      known = await this.#read();
    } catch (error) {
      this.#parts.onDoubt();
      // It is read again when xenstored is back.
      if (isXsockError(error, 'XENSTORE_GONE')) {
        return;
      }
      throw error;
    }
    if (this.#closed) {
      return;
    }
    const absent = this.#source !== undefined && known === undefined;
    if (this.#source !== undefined) this.#noteAbsence(absent);
    // Those of the last list stay peers: links between guests do not depend on domain 0's daemon.
    if (!absent) this.#known = known;
    const seen = this.#source?.problem === undefined;
    const holds = connected && connection === this.#connection && seen && !absent;
    this.#parts.onRoster(this.#entries(this.#known, holds ? 'xenstore' : 'in-doubt'), this.#known);
  }

  #noteAbsence(absent: boolean): void {
    if (absent === this.#absent) return;
    this.#absent = absent;
    if (absent) {
      this.#parts.log.warn(
        "domain 0 publishes no directory of domains to this one: peers known by name stay, and what is allowed to a domain by name takes no new streams; see that domain 0's daemon runs, and its directory.publish names this domain",
      );
    } else {
      this.#parts.log.info("domain 0's directory of domains is back");
    }
  }

  async #read(): Promise<readonly KnownDomain[] | undefined> {
    if (this.#source === undefined) {
      return undefined;
    }
    const listed = await this.#source.list();
    if (listed === undefined) {
      return undefined;
    }
    const forgotten =
      this.#parts.self === DOM0
        ? await this.#parts.forgotten(listed.map(({ domid }) => domid))
        : [];
    return [
      ...listed,
      ...forgotten.map(domid => ({ domid, name: undefined, uuid: undefined })),
    ].sort((a, b) => a.domid - b.domid);
  }

  #entries(
    known: readonly KnownDomain[] | undefined,
    nameSource: NameSource,
  ): readonly RosterEntry[] {
    const { self } = this.#parts;
    const entries = new Map<DomId, RosterEntry>();
    for (const entry of this.#candidates(known, nameSource)) {
      // The first entry of the configuration counts.
      if (entry.domid !== self && !entries.has(entry.domid)) entries.set(entry.domid, entry);
    }
    return [...entries.values()];
  }

  #candidates(
    known: readonly KnownDomain[] | undefined,
    nameSource: NameSource,
  ): readonly RosterEntry[] {
    const { self } = this.#parts;
    const { peers } = this.#config;
    const describe = (domid: DomId): RosterEntry => {
      const found = known?.find(domain => domain.domid === domid);
      return { domid, name: found?.name, nameSource, uuid: found?.uuid };
    };
    if (peers === undefined) {
      return self === DOM0 ? (known ?? []).map(({ domid }) => describe(domid)) : [describe(DOM0)];
    }
    return peers.flatMap(peer => {
      const domid = peer.domid ?? known?.find(({ name }) => name === peer.name)?.domid;
      const gone = self === DOM0 && !known?.some(domain => domain.domid === domid);
      if (domid === undefined || gone) return [];
      const entry = describe(domid);
      // Given with the domid, the name is the operator's for any domain that has that domid.
      return peer.domid === undefined || peer.name === undefined
        ? [entry]
        : [{ ...entry, name: peer.name, nameSource: 'operator' as const }];
    });
  }
}
