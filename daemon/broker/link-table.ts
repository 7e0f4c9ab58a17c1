/** Whose links they are: the data plane knows links by id, everything else asks for a peer. */
import type { DomId, LinkId } from '../ids.js';

export class LinkTable {
  readonly #peers = new Map<LinkId, DomId>();

  /** From now on the events of this link are for that peer. */
  add(link: LinkId, peer: DomId): void {
    this.#peers.set(link, peer);
  }

  /** After its last event, link-down. */
  remove(link: LinkId): void {
    this.#peers.delete(link);
  }

  peerOf(link: LinkId): DomId | undefined {
    return this.#peers.get(link);
  }

  /** A peer that restarts has two for a while: the old one drains. */
  linksOf(peer: number): readonly LinkId[] {
    return [...this.#peers].filter(([, domid]) => domid === peer).map(([link]) => link);
  }
}
