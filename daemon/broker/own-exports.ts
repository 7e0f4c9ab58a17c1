/**
 * The domain's own exports, under its own domid: bridged inside this process, since Xen cannot map a
 * domain's own grants. Whoever may use the socket may use the service; no allow-list is asked.
 */
import type { ImportConfig } from '../config/config.js';
import type { LinkId } from '../ids.js';
import type { OfferedService } from '../link/services-message.js';
import { compileExports } from '../policy/compile.js';
import { selectImport } from '../policy/import.js';
import type { Service } from '../service/imports.js';
import type { BrokerContext } from './context.js';

/** Rights of the socket where no import rule says otherwise. */
const DEFAULT_MODE = 0o660;

export class OwnExports {
  readonly #context: BrokerContext;
  readonly #name: string | undefined;
  #link: LinkId | undefined;

  constructor(context: BrokerContext, name: string | undefined) {
    this.#context = context;
    this.#name = name;
  }

  get link(): LinkId | undefined {
    return this.#link;
  }

  async start(): Promise<void> {
    this.#link = await this.#context.dataplane.connectSelf();
    this.#context.routeLink(this.#link, this.#context.self);
    await this.apply();
  }

  /** After a reload. */
  async apply(): Promise<void> {
    const { self, dataplane, view } = this.#context;
    if (this.#link === undefined) {
      return;
    }
    const identity = { domid: self, name: this.#name };
    const { config } = this.#context.settings();
    dataplane.setExports(this.#link, compileExports(config.exports, identity, self));
    const services = config.exports.map(({ name, port }) => this.#service({ name, port }));
    await view.show(this.#link, identity, services);
  }

  async stop(drain: number): Promise<void> {
    this.#context.view.hide(this.#context.self);
    if (this.#link !== undefined) {
      await this.#context.dataplane.closeLink(this.#link, drain);
    }
  }

  #service({ name, port }: OfferedService): Service {
    const { config, accounts } = this.#context.settings();
    const identity = { domid: this.#context.self, name: this.#name };
    const rule: ImportConfig | undefined = selectImport(config.imports, identity, { name, port });
    const ownership = rule === undefined ? undefined : accounts.get(rule);
    return {
      name,
      port,
      uid: ownership?.uid ?? -1,
      gid: ownership?.gid ?? -1,
      mode: rule?.mode ?? DEFAULT_MODE,
      tcp: undefined,
    };
  }
}
