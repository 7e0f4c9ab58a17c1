/**
 * A peer's name and what it may be used for. While a name from xenstore is in doubt (see Roster) the domid may be another
 * domain's, so that the name opens no export. A link from before is still with the same domain: the
 * hypervisor guarantees it. What that link shows here stays where it is, under the name; a later link gets no name.
 */
import type { NameSource, RosterEntry } from '../discovery/roster.js';
import type { LinkId } from '../ids.js';

export class PeerName {
  #name: string | undefined;
  #source: NameSource;
  /** The link at the time when the name became doubtful. */
  #link: LinkId | undefined;

  constructor({ name, nameSource }: RosterEntry) {
    this.#name = name;
    this.#source = nameSource;
  }

  /** For people. */
  get shown(): string | undefined {
    return this.#name;
  }

  /** For what the peer may open. */
  get forExports(): string | undefined {
    return this.#source === 'in-doubt' ? undefined : this.#name;
  }

  /** For what appears here of the peer's services, through this link. */
  forImports(link: LinkId): string | undefined {
    return link === this.#link ? this.#name : this.forExports;
  }

  /** True if anything is different. */
  becomes({ name, nameSource }: RosterEntry): boolean {
    const before = { name: this.#name, forExports: this.forExports };
    if (nameSource !== 'in-doubt' || name !== this.#name) {
      this.#link = undefined;
    }
    this.#name = name;
    this.#source = nameSource;
    return before.name !== name || before.forExports !== this.forExports;
  }

  /** True if that changes what the peer may open. */
  doubt(link: LinkId | undefined): boolean {
    if (this.#source !== 'xenstore') {
      return false;
    }
    this.#source = 'in-doubt';
    this.#link = link;
    return this.#name !== undefined;
  }
}
