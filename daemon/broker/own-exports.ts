/**
 * The domain's own exports that say `self`, under its own domid: carried inside this process, since Xen
 * cannot map a domain's own grants. As with any other domain's services, import rules say which appear and
 * who may use their sockets. A link with itself that ends is re-created.
 */
import { retryDelay, SETTLED_MS } from '../backoff.js';
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import { messageOf } from '../errors.js';
import type { LinkId } from '../ids.js';
import { describeDown } from '../link/machine.js';
import type { LinkEnd } from '../link/supervisor.js';
import { selectServices } from '../service/imports.js';
import type { Concerned } from './changes.js';
import type { BrokerContext } from './context.js';

export class OwnExports {
  readonly #context: BrokerContext;
  readonly #name: string | undefined;
  #link: LinkId | undefined;
  #lastEnd: LinkEnd | undefined;
  #since = Date.now();
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(context: BrokerContext, name: string | undefined) {
    this.#context = context;
    this.#name = name;
  }

  get link(): LinkId | undefined {
    return this.#link;
  }

  /** Why the link is not up; empty if it is. */
  get reason(): string {
    return this.#link === undefined ? (this.#lastEnd?.reason ?? '') : '';
  }

  /** Kept when the link is up again. */
  get lastEnd(): LinkEnd | undefined {
    return this.#lastEnd;
  }

  /** Milliseconds since the epoch when the link went up or down. */
  get since(): number {
    return this.#since;
  }

  /** How many exist now. */
  get count(): number {
    return this.#context.settings().config.exports.filter(({ self }) => self).length;
  }

  async start(): Promise<void> {
    const { dataplane, links, self } = this.#context;
    const link = await dataplane.connectSelf();
    if (this.#stopped) {
      await dataplane.closeLink(link, 0);
      return;
    }
    this.#link = link;
    this.#since = Date.now();
    links.add(link, self);
    this.#settling = setTimeout(() => {
      this.#failures = 0;
    }, SETTLED_MS).unref();
    await this.apply({ exports: true });
  }

  /** The link has ended. Unless that was intended, it is re-created after a back-off. */
  handle({ link, reason, detail }: Extract<DataplaneEvent, { readonly kind: 'link-down' }>): void {
    if (link === this.#link && !this.#stopped) {
      this.#lost(describeDown(reason, detail));
    }
  }

  /** The import rules, or the exports as well, have changed. */
  async apply({ exports }: Pick<Concerned, 'exports'>): Promise<void> {
    const { self, dataplane, view } = this.#context;
    if (this.#link === undefined) {
      return;
    }
    const identity = { domid: self, name: this.#name };
    const { config, accounts, exportTables } = this.#context.settings();
    const { entries, announced } = exportTables.of(identity);
    if (exports) dataplane.setExports(this.#link, entries);
    const services = selectServices(config.imports, accounts, identity, announced);
    await view.show(this.#link, identity, services);
  }

  async stop(drain: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#settling);
    this.#context.view.hide(this.#context.self);
    if (this.#link !== undefined) {
      await this.#context.dataplane.closeLink(this.#link, drain);
    }
  }

  #lost(reason: string): void {
    const { log, view, self } = this.#context;
    clearTimeout(this.#settling);
    this.#link = undefined;
    this.#since = Date.now();
    this.#lastEnd = { reason, at: this.#since };
    this.#failures += 1;
    view.hide(self);
    log.error(
      { reason },
      'the link of this domain with itself is down: its own exports are not reachable in it; retrying',
    );
    this.#retry = setTimeout(() => void this.#again(), retryDelay(this.#failures, Math.random()));
  }

  async #again(): Promise<void> {
    const { log } = this.#context;
    try {
      await this.start();
    } catch (error) {
      if (this.#stopped) {
        return;
      }
      if (this.#link === undefined) {
        this.#lost(messageOf(error));
      } else {
        log.error({ err: error }, 'failed to update service sockets');
      }
      return;
    }
    log.info('the link of this domain with itself is up again');
  }
}
