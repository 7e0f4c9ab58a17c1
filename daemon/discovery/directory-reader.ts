/**
 * The domains as domain 0 publishes them to a guest that trusts it. All values are domain 0's. The directory is absent
 * while domain 0's daemon is stopped, and where it is published for others only, or for nobody.
 */
import { type DomId, parseDomId } from '../ids.js';
import { isDomainName } from '../text/names.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { DIRECTORY, directoryEntry, ENTRY_NAME, ENTRY_UUID } from '../xenstore/paths.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';
import type { DomainSource, KnownDomain } from './domains.js';

export class DirectoryReader implements DomainSource {
  readonly #xenstore: Xenstore;
  #watch: Watch | undefined;

  constructor(xenstore: Xenstore) {
    this.#xenstore = xenstore;
  }

  get problem(): string | undefined {
    return this.#watch?.problem;
  }

  async start(onChange: () => void): Promise<void> {
    this.#watch = await this.#xenstore.watch(DIRECTORY, onChange);
  }

  async list(): Promise<readonly KnownDomain[] | undefined> {
    const names = await unlessAbsent(this.#xenstore.list(DIRECTORY));
    if (names === undefined) return undefined;
    const domids = names.map(parseDomId).filter(domid => domid !== undefined);
    return await Promise.all(domids.map(domid => this.describe(domid)));
  }

  async close(): Promise<void> {
    await this.#watch?.close();
  }

  async describe(domid: DomId): Promise<KnownDomain> {
    const entry = directoryEntry(domid);
    const [name, uuid] = await Promise.all([
      unlessAbsent(this.#xenstore.read(`${entry}/${ENTRY_NAME}`)),
      unlessAbsent(this.#xenstore.read(`${entry}/${ENTRY_UUID}`)),
    ]);
    return { domid, name: name !== undefined && isDomainName(name) ? name : undefined, uuid };
  }
}
