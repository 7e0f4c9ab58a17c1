/** The domains as domain 0 sees them, in the nodes that only its toolstack writes (libxl_create.c). */
import { type DomId, parseDomId } from '../ids.js';
import { isDomainName } from '../text/names.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { DOMAINS, domainName, domainVm } from '../xenstore/paths.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import { type DomainSource, type KnownDomain, WatchSet } from './domains.js';

const COMES_AND_GOES = ['@introduceDomain', '@releaseDomain'] as const;
const VM = /^\/vm\/([0-9a-f-]{36})$/;

export class ToolstackDomains implements DomainSource {
  readonly #xenstore: Xenstore;
  readonly #watches: WatchSet;
  #onChange: () => void = () => {};

  constructor(xenstore: Xenstore) {
    this.#xenstore = xenstore;
    this.#watches = new WatchSet(xenstore);
  }

  get problem(): string | undefined {
    return this.#watches.problem;
  }

  async start(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    await this.#watches.set(COMES_AND_GOES, onChange);
  }

  async list(): Promise<readonly KnownDomain[]> {
    const names = await this.#xenstore.list(DOMAINS);
    const domids = names.map(parseDomId).filter(domid => domid !== undefined);
    // `xl rename`, and the end of a migration, change a name while the domain is there.
    await this.#watches.set([...COMES_AND_GOES, ...domids.map(domainName)], this.#onChange);
    return await Promise.all(domids.map(domid => this.describe(domid)));
  }

  async close(): Promise<void> {
    await this.#watches.set([], this.#onChange);
  }

  async describe(domid: DomId): Promise<KnownDomain> {
    const [name, vm] = await Promise.all([
      // Absent: the domain has just gone.
      unlessAbsent(this.#xenstore.read(domainName(domid))),
      unlessAbsent(this.#xenstore.read(domainVm(domid))),
    ]);
    return {
      domid,
      name: name !== undefined && isDomainName(name) ? name : undefined,
      uuid: VM.exec(vm ?? '')?.[1],
    };
  }
}
