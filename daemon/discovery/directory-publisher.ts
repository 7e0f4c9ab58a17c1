/**
 * Domain 0's side of the directory: which domains there are, in nodes that the chosen guests may read.
 * Three nodes a domain, whatever the number of readers; only what changed is written, in one transaction: a reader
 * never sees the list in part, and it does not miss the domains that are written again after a restart.
 */
import type { DomId } from '../ids.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { DIRECTORY, directoryEntry, ENTRY_NAME, ENTRY_UUID } from '../xenstore/paths.js';
import type { Permission, Xenstore, XenstoreOperations } from '../xenstore/xenstore.js';
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
    if (this.#written === undefined || !same(this.#written, wanted)) {
      const before = this.#written;
      await this.#xenstore.transaction(operations => write(operations, before, wanted));
      this.#written = wanted;
    }
  }
}

/** `before` undefined: unknown. */
async function write(
  operations: XenstoreOperations,
  before: Wanted | undefined,
  wanted: Wanted,
): Promise<void> {
  if (before === undefined || wanted === NOTHING) {
    await unlessAbsent(operations.remove(DIRECTORY));
  }
  if (wanted === NOTHING) {
    return;
  }
  const { domains, permissions } = before ?? NOTHING;
  if (before === undefined || before === NOTHING) {
    await operations.mkdir(DIRECTORY);
  }
  // First, since a new node has the permissions of the one above it.
  const others = !samePermissions(permissions, wanted.permissions);
  if (others) {
    await operations.setPermissions(DIRECTORY, wanted.permissions);
  }
  for (const domid of domains.keys()) {
    if (!wanted.domains.has(domid)) await operations.remove(directoryEntry(domid));
  }
  for (const domain of wanted.domains.values()) {
    const earlier = domains.get(domain.domid);
    await writeEntry(operations, domain, earlier, others ? wanted.permissions : undefined);
  }
}

async function writeEntry(
  operations: XenstoreOperations,
  { domid, name, uuid }: KnownDomain,
  earlier: KnownDomain | undefined,
  permissions: readonly Permission[] | undefined,
): Promise<void> {
  const entry = directoryEntry(domid);
  if (earlier?.uuid !== uuid || earlier?.name !== name) {
    // It may be another domain with the same domid: never mix its name with the other's uuid.
    if (earlier !== undefined) await operations.remove(entry);
    if (uuid !== undefined) await operations.write(`${entry}/${ENTRY_UUID}`, uuid);
    if (name !== undefined) await operations.write(`${entry}/${ENTRY_NAME}`, name);
  }
  if (earlier === undefined || permissions === undefined) return;
  await operations.setPermissions(entry, permissions);
  if (uuid !== undefined) {
    await operations.setPermissions(`${entry}/${ENTRY_UUID}`, permissions);
  }
  if (name !== undefined) {
    await operations.setPermissions(`${entry}/${ENTRY_NAME}`, permissions);
  }
}

function same(before: Wanted, wanted: Wanted): boolean {
  return (
    before.domains.size === wanted.domains.size &&
    samePermissions(before.permissions, wanted.permissions) &&
    [...wanted.domains].every(([domid, { name, uuid }]) => {
      const earlier = before.domains.get(domid);
      return earlier !== undefined && earlier.name === name && earlier.uuid === uuid;
    })
  );
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
