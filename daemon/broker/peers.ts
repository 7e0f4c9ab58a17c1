/** The current peers: created and ended as the roster says, and found by domid or by link. */
import type { KnownDomain } from '../discovery/domains.js';
import type { RosterEntry } from '../discovery/roster.js';
import type { DomId } from '../ids.js';
import type { Concerned } from './changes.js';
import type { BrokerContext } from './context.js';
import { Peer } from './peer.js';

export class Peers {
  readonly #context: BrokerContext;
  readonly #peers = new Map<DomId, Peer>();
  /** The end of the last peer of a domid, and of those before it. */
  readonly #ending = new Map<DomId, Promise<void>>();

  constructor(context: BrokerContext) {
    this.#context = context;
  }

  all(): readonly Peer[] {
    return [...this.#peers.values()].sort((a, b) => a.domid - b.domid);
  }

  get(domid: DomId): Peer | undefined {
    return this.#peers.get(domid);
  }

  /** `known`: all domains that there are; undefined where that is unknown. */
  update(entries: readonly RosterEntry[], known: readonly KnownDomain[] | undefined): void {
    const wanted = new Set(entries.map(({ domid }) => domid));
    for (const [domid, peer] of this.#peers) {
      if (!wanted.has(domid)) {
        if (peer.state.kind === 'up') {
          const gone = known !== undefined && !known.some(domain => domain.domid === domid);
          const reason = gone ? 'peer domain gone' : 'no longer a peer';
          this.#context.logs.of(domid).warn({ reason }, 'link is down');
        }
        this.#peers.delete(domid);
        this.#end(peer, 0);
      }
    }
    for (const entry of entries) {
      const peer = this.#peers.get(entry.domid);
      if (peer === undefined) {
        this.#begin(entry);
      } else {
        peer.describe(entry);
      }
    }
  }

  /** After a reload. */
  apply({ exports, imports }: Pick<Concerned, 'exports' | 'imports'>): void {
    for (const peer of this.all()) {
      if (exports) peer.applyExports();
      if (imports) peer.applyImports();
    }
  }

  /** Names read from xenstore may be other domains' by now. */
  doubtNames(): void {
    for (const peer of this.#peers.values()) {
      peer.doubtName();
    }
  }

  /** Linked domains that xenstore does not list, but may only have forgotten. */
  async forgotten(listed: readonly DomId[]): Promise<readonly DomId[]> {
    const linked = this.all().filter(peer => peer.state.kind === 'up');
    const missing = linked.map(({ domid }) => domid).filter(domid => !listed.includes(domid));
    return missing.length === 0 || (await this.#context.marker.isPresent()) ? [] : missing;
  }

  async stop(drain: number): Promise<void> {
    for (const peer of this.#peers.values()) {
      this.#end(peer, drain);
    }
    await Promise.all(this.#ending.values());
  }

  #begin(entry: RosterEntry): void {
    const peer = new Peer(this.#context, entry);
    this.#peers.set(entry.domid, peer);
    this.#start(peer).catch((error: unknown) =>
      this.#context.logs.of(entry.domid).error({ err: error }, 'failed to start peer discovery'),
    );
  }

  /** An earlier peer of that domid that is still ending would remove the nodes of this one. */
  async #start(peer: Peer): Promise<void> {
    await this.#ending.get(peer.domid);
    if (this.#peers.get(peer.domid) === peer) {
      await peer.start();
    }
  }

  #end(peer: Peer, drain: number): void {
    const { domid } = peer;
    const stopped = peer
      .stop(drain)
      .catch((error: unknown) =>
        this.#context.logs.of(domid).error({ err: error }, 'failed to close the link in order'),
      );
    const ending = Promise.all([this.#ending.get(domid), stopped]).then(() => {
      if (this.#ending.get(domid) === ending) {
        this.#ending.delete(domid);
        if (!this.#peers.has(domid)) {
          this.#context.logs.forget(domid);
          this.#context.refusals.forget(domid);
          this.#context.endedStreams.forget(domid);
        }
      }
    });
    this.#ending.set(domid, ending);
  }
}
