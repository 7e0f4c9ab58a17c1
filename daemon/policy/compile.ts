/** Compiles the policy into the table in which the data plane looks up an OPEN. Pure. */
import type { ExportConfig } from '../config/config.js';
import type { ExportEntry } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import { decide, type PeerIdentity } from './decide.js';

/** What a peer may open, and what it is told of it. */
export interface ExportTable {
  /**
   * One entry for each export, denied ones included, so that a refusal can tell *denied* from *no such
   * service*.
   */
  readonly entries: readonly ExportEntry[];
  /** The allowed ones. */
  readonly announced: readonly Pick<ExportEntry, 'name' | 'port'>[];
}

/**
 * The tables of one list of exports. One is compiled for all peers for which the allow-lists give the same
 * answers: most peers of a host are named in none, or only as `any`.
 */
export class ExportTables {
  readonly #exports: readonly ExportConfig[];
  readonly #self: DomId | undefined;
  /** Domids and names that occur in an allow-list: by nothing else do answers differ. */
  readonly #domids = new Set<DomId>();
  readonly #names = new Set<string>();
  readonly #tables = new Map<string, ExportTable>();

  /** `self`: the own domain, if it is known. */
  constructor(exports: readonly ExportConfig[], self: DomId | undefined) {
    this.#exports = exports;
    this.#self = self;
    for (const { peer } of exports.flatMap(({ allow }) => allow)) {
      if (peer.kind === 'domid') this.#domids.add(peer.domid);
      if (peer.kind === 'name') this.#names.add(peer.name);
    }
  }

  /** The same object for equal answers. */
  of(peer: PeerIdentity): ExportTable {
    const key = this.#keyOf(peer);
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = this.#compile(peer);
      this.#tables.set(key, table);
    }
    return table;
  }

  #keyOf({ domid, name }: PeerIdentity): string {
    if (domid === this.#self) return 'self';
    const byDomid = this.#domids.has(domid) ? domid : '';
    const byName = name !== undefined && this.#names.has(name) ? name : '';
    return `${byDomid}/${byName}`;
  }

  #compile(peer: PeerIdentity): ExportTable {
    const entries = this.#exports.map(service => ({
      name: service.name,
      port: service.port,
      allowed: this.#allows(service, peer),
      target: service.target,
    }));
    const announced = entries
      .filter(({ allowed }) => allowed)
      .map(({ name, port }) => ({ name, port }));
    return { entries, announced };
  }

  /**
   * For the own domain `self` decides, not the allow-list: its programs would otherwise reach a target with
   * the daemon's rights where the target's own mode denies them.
   */
  #allows(service: ExportConfig, peer: PeerIdentity): boolean {
    return peer.domid === this.#self
      ? service.self
      : decide({ peer, export: service }).kind === 'allow';
  }
}
