/**
 * Domain 0's side of the directory: which domains there are, in nodes that the chosen guests may read.
 * Three nodes a domain, whatever the number of readers; only what changed is written.
 */
import type { DomId } from '../ids.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { DIRECTORY, directoryEntry, ENTRY_NAME, ENTRY_UUID } from '../xenstore/paths.js';
import type { Permission, Xenstore } from '../xenstore/xenstore.js';
import type { KnownDomain } from './domains.js';

/** `any`: every domain of the host. */
export type Readers = readonly DomId[] | 'any';

interface Wanted {
  readonly domains: ReadonlyMap<DomId, KnownDomain>;
  readonly permissions: readonly Permission[];
}

const NOTHING: Wanted = { domains: new Map(), permissions: [] };

export class DirectoryPublisher {
  readonly #xenstore: Xenstore;
  /** Undefined: unknown, so existing nodes are removed first. */
  #written: Wanted | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(xenstore: Xenstore) {
    this.#xenstore = xenstore;
  }

  /** Runs after publications in progress. Undefined readers: no directory. Throws xenstore's errors. */
  publish(domains: readonly KnownDomain[], readers: Readers | undefined): Promise<void> {
    const wanted: Wanted =
      readers === undefined
        ? NOTHING
        : {
            domains: new Map(domains.map(domain => [domain.domid, domain])),
            permissions: permissionsFor(readers),
          };
    return this.#queue(() => this.#write(wanted));
  }

  /** xenstore may have lost it: the next publish() writes everything. */
  forget(): Promise<void> {
    return this.#queue(async () => {
      this.#written = undefined;
    });
  }

  #queue(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {
      // It may be written in part. The caller has got the error.
      this.#written = undefined;
    });
    return done;
  }

  async #write(wanted: Wanted): Promise<void> {
    if (this.#written === undefined || (wanted === NOTHING && this.#written !== NOTHING)) {
      await unlessAbsent(this.#xenstore.remove(DIRECTORY));
      this.#written = NOTHING;
    }
    const before = this.#written;
    if (wanted === NOTHING) {
      return;
    }
    if (before === NOTHING) {
      await this.#xenstore.mkdir(DIRECTORY);
    }
    // First, since a new node has the permissions of the one above it.
    const others = !samePermissions(before.permissions, wanted.permissions);
    if (others) {
      await this.#xenstore.setPermissions(DIRECTORY, wanted.permissions);
    }
    for (const domid of before.domains.keys()) {
      if (!wanted.domains.has(domid)) await this.#xenstore.remove(directoryEntry(domid));
    }
    for (const domain of wanted.domains.values()) {
      const earlier = before.domains.get(domain.domid);
      await this.#writeEntry(domain, earlier, others ? wanted.permissions : undefined);
    }
    this.#written = wanted;
  }

  async #writeEntry(
    { domid, name, uuid }: KnownDomain,
    earlier: KnownDomain | undefined,
    permissions: readonly Permission[] | undefined,
  ): Promise<void> {
    const entry = directoryEntry(domid);
    if (earlier?.uuid !== uuid || earlier?.name !== name) {
      // It may be another domain with the same domid: never mix its name with the other's uuid.
      if (earlier !== undefined) await this.#xenstore.remove(entry);
      if (uuid !== undefined) await this.#xenstore.write(`${entry}/${ENTRY_UUID}`, uuid);
      if (name !== undefined) await this.#xenstore.write(`${entry}/${ENTRY_NAME}`, name);
    }
    if (earlier === undefined || permissions === undefined) return;
    await this.#xenstore.setPermissions(entry, permissions);
    if (uuid !== undefined) {
      await this.#xenstore.setPermissions(`${entry}/${ENTRY_UUID}`, permissions);
    }
    if (name !== undefined) {
      await this.#xenstore.setPermissions(`${entry}/${ENTRY_NAME}`, permissions);
    }
  }
}

/** The first entry names the owner, and the access of everybody else. */
function permissionsFor(readers: Readers): readonly Permission[] {
  if (readers === 'any') {
    return [{ access: 'r', domid: 0 }];
  }
  return [
    { access: 'n', domid: 0 },
    ...readers.map(domid => ({ access: 'r', domid }) satisfies Permission),
  ];
}

function samePermissions(first: readonly Permission[], second: readonly Permission[]): boolean {
  return (
    first.length === second.length &&
    first.every(({ access, domid }, at) => {
      const other = second[at];
      return other?.access === access && other.domid === domid;
    })
  );
}
