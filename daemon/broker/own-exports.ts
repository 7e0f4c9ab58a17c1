/**
 * The domain's own exports that say `self`, under its own domid: bridged inside this process, since Xen
 * cannot map a domain's own grants. As with any other domain's services, import rules say which appear and
 * who may use their sockets.
 */
import type { LinkId } from '../ids.js';
import { compileExports } from '../policy/compile.js';
import { selectServices } from '../service/imports.js';
import type { BrokerContext } from './context.js';

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

  /** How many there are now. */
  get count(): number {
    return this.#context.settings().config.exports.filter(({ self }) => self).length;
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
    const { config, accounts } = this.#context.settings();
    dataplane.setExports(this.#link, compileExports(config.exports, identity, self));
    const offered = config.exports
      .filter(service => service.self)
      .map(({ name, port }) => ({ name, port }));
    const services = selectServices(config.imports, accounts, identity, offered);
    await view.show(this.#link, identity, services);
  }

  async stop(drain: number): Promise<void> {
    this.#context.view.hide(this.#context.self);
    if (this.#link !== undefined) {
      await this.#context.dataplane.closeLink(this.#link, drain);
    }
  }
}
