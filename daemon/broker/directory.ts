/** Which guests domain 0 tells of the domains of the host: those of `directory.publish`, as they come and go. */
import type { Logger } from 'pino';
import type { DirectoryConfig } from '../config/config.js';
import { DirectoryPublisher, type Readers } from '../discovery/directory-publisher.js';
import type { KnownDomain } from '../discovery/domains.js';
import { isXsockError } from '../errors.js';
import { selectsPeer } from '../policy/decide.js';
import type { Xenstore } from '../xenstore/xenstore.js';

export class Directory {
  readonly #publisher: DirectoryPublisher;
  readonly #log: Logger;
  readonly #config: () => DirectoryConfig;
  #writing: Promise<void> = Promise.resolve();

  constructor(xenstore: Xenstore, log: Logger, config: () => DirectoryConfig) {
    this.#publisher = new DirectoryPublisher(xenstore);
    this.#log = log;
    this.#config = config;
  }

  update(known: readonly KnownDomain[]): void {
    this.#writing = this.#publisher.publish(known, this.#readers(known)).catch((error: unknown) => {
      // With xenstored gone the list is looked at again when it is back.
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        this.#log.error({ err: error }, 'the directory of domains cannot be published');
      }
    });
  }

  /** xenstored is back, perhaps empty. The next update() writes everything. */
  forget(): Promise<void> {
    return this.#publisher.forget();
  }

  /** Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    await this.#writing;
  }

  #readers(known: readonly KnownDomain[]): Readers | undefined {
    const { publish } = this.#config();
    if (publish.length === 0) return undefined;
    if (publish.some(({ kind }) => kind === 'any')) return 'any';
    return known
      .filter(domain => domain.domid !== 0 && publish.some(entry => selectsPeer(entry, domain)))
      .map(({ domid }) => domid);
  }
}
