/** Which guests may read domain 0's directory of the host's domains: those of `directory.publish`, as they appear and vanish. */
import type { Logger } from 'pino';
import { retryDelay } from '../backoff.js';
import type { DirectoryConfig } from '../config/config.js';
import { DirectoryPublisher, type Readers } from '../discovery/directory-publisher.js';
import type { KnownDomain } from '../discovery/domains.js';
import { isXsockError } from '../errors.js';
import { selectsPeer } from '../policy/decide.js';
import { Retry } from '../retry.js';
import type { Xenstore } from '../xenstore/xenstore.js';

export class Directory {
  readonly #publisher: DirectoryPublisher;
  readonly #config: () => DirectoryConfig;
  readonly #writes: Retry;
  #known: readonly KnownDomain[] | undefined;

  constructor(xenstore: Xenstore, log: Logger, config: () => DirectoryConfig) {
    this.#publisher = new DirectoryPublisher(xenstore);
    this.#config = config;
    this.#writes = new Retry({
      work: () => this.#write(),
      onFailure: error =>
        log.error({ err: error }, 'failed to publish the directory of domains; retrying'),
      delay: failures => retryDelay(failures, Math.random()),
    });
  }

  update(known: readonly KnownDomain[]): void {
    this.#known = known;
    void this.#writes.run();
  }

  /** `directory.publish` has changed. */
  apply(): void {
    void this.#writes.run();
  }

  /** xenstored is back, perhaps empty. The next update() writes everything. */
  forget(): Promise<void> {
    return this.#publisher.forget();
  }

  /** Resolves when all writing has ended. */
  stop(): Promise<void> {
    return this.#writes.stop();
  }

  async #write(): Promise<void> {
    const known = this.#known;
    if (known === undefined) return;
    try {
      await this.#publisher.publish(known, this.#readers(known));
    } catch (error) {
      // With xenstored gone the list is read again when it is back.
      if (!isXsockError(error, 'XENSTORE_GONE')) throw error;
    }
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
