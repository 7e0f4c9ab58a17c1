/**
 * One peer: the link with it, what it may open here, and what it announces. Connects the supervisor, the
 * watch on the peer's nodes, policy and view; decides nothing that they decide.
 */
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import { type Observation, PeerWatch } from '../discovery/peer-watch.js';
import type { RosterEntry } from '../discovery/roster.js';
import { messageOf } from '../errors.js';
import type { DomId, LinkId } from '../ids.js';
import type { LinkState } from '../link/machine.js';
import { LinkNodes } from '../link/nodes.js';
import { decodeServices, encodeServices, servicesThatFit } from '../link/services-message.js';
import { type LinkEnd, LinkSupervisor } from '../link/supervisor.js';
import type { LineLog } from '../log/peer-logs.js';
import type { ExportTable } from '../policy/compile.js';
import type { AnnouncedService } from '../policy/import.js';
import { selectServices } from '../service/imports.js';
import type { BrokerContext } from './context.js';
import { PeerName } from './peer-name.js';

/** Events of one link. */
export type PeerEvent = Extract<
  DataplaneEvent,
  { readonly kind: 'link-up' | 'link-down' | 'link-draining' | 'services' }
>;

export class Peer {
  readonly domid: DomId;
  readonly #context: BrokerContext;
  readonly #log: LineLog;
  readonly #nodes: LinkNodes;
  readonly #supervisor: LinkSupervisor;
  readonly #watch: PeerWatch;
  readonly #name: PeerName;
  #uuid: string | undefined;
  #instance: string | undefined;
  #announced: readonly AnnouncedService[] = [];
  #stopped = false;

  constructor(context: BrokerContext, entry: RosterEntry) {
    const { domid } = entry;
    this.domid = domid;
    this.#context = context;
    this.#name = new PeerName(entry);
    this.#uuid = entry.uuid;
    this.#log = context.logs.of(domid);
    const { self, dataplane, xenstore } = context;
    this.#nodes = new LinkNodes(xenstore, self, domid, error =>
      this.#log.error({ err: error }, 'failed to write our nodes for the peer; retrying'),
    );
    this.#supervisor = new LinkSupervisor({
      self,
      peer: domid,
      dataplane,
      nodes: this.#nodes,
      log: this.#log,
      ringOrder: () => context.settings().config.link.ringOrder,
      onLink: link => this.#onLink(link),
      onUp: link => this.#announce(link),
      onDraining: () => this.#nothingAnnounced(),
      onDown: () => this.#nothingAnnounced(),
    });
    this.#watch = new PeerWatch(xenstore, { self, peer: domid }, this.#log, observation =>
      this.#onObservation(observation),
    );
  }

  get name(): string | undefined {
    return this.#name.shown;
  }
  get uuid(): string | undefined {
    return this.#uuid;
  }
  get state(): LinkState {
    return this.#supervisor.state;
  }
  /** The last end of the link, or the last failure to make one. */
  get lastEnd(): LinkEnd | undefined {
    return this.#supervisor.lastEnd;
  }
  /** Negotiated, as bits; undefined while no link is up. */
  get features(): number | undefined {
    return this.#supervisor.features;
  }
  get since(): number {
    return this.#supervisor.since;
  }
  /** Why the peer's nodes cannot be watched, or ours not be published; undefined if all is well. */
  get problem(): string | undefined {
    return this.#watch.problem ?? this.#nodes.problem;
  }
  /** What the peer announces now. */
  get announced(): readonly AnnouncedService[] {
    return this.#announced;
  }

  /** Publishes our nodes for the peer, then watches for its own. */
  async start(): Promise<void> {
    if (this.#stopped) {
      return;
    }
    const announced = this.#nodes.publish({ instance: this.#context.instance });
    // Logged, and retried: no reason not to watch for the peer.
    await announced.catch(() => undefined);
    await this.#watch.start();
  }

  /** Ends the link (streams get `drain` milliseconds to end) and removes what was published. */
  async stop(drain: number): Promise<void> {
    this.#stopped = true;
    this.#context.view.hide(this.domid);
    await Promise.all([this.#watch.close(), this.#supervisor.stop(drain)]);
  }

  handle(event: PeerEvent): void {
    if (event.kind !== 'services') {
      this.#supervisor.handle(event);
      return;
    }
    // While the last streams end here, nothing new appears.
    if (this.#stopped || event.link !== this.#supervisor.link) {
      return;
    }
    try {
      this.#announced = decodeServices(event.payload);
    } catch (error) {
      this.#log.error({ why: messageOf(error) }, 'link dropped');
      this.#supervisor.drop(event.link, messageOf(error));
      return;
    }
    this.#show(event.link);
  }

  /** What is known of it from sources other than itself. */
  describe(entry: RosterEntry): void {
    this.#uuid = entry.uuid;
    if (this.#name.becomes(entry)) {
      this.applyExports();
      this.applyImports();
    }
  }

  /** A name read from xenstore may be another domain's by now. What was announced stays announced. */
  doubtName(): void {
    const { link } = this.#supervisor;
    if (this.#name.doubt(link) && link !== undefined) {
      this.#onLink(link);
    }
  }

  /** What we published may be lost. The watches fire without our help. */
  publishAgain(): void {
    // Logged, and retried.
    this.#nodes.again().catch(() => undefined);
  }

  /** The exports, or who the peer is, have changed. */
  applyExports(): void {
    const { link } = this.#supervisor;
    if (link !== undefined) {
      this.#onLink(link);
      if (this.state.kind === 'up') {
        this.#announce(link);
      }
    }
  }

  /** The import rules, or who the peer is, have changed. */
  applyImports(): void {
    if (this.state.kind === 'up' && !this.#stopped) {
      this.#show(this.state.link);
    }
  }

  /** What it may open, as who it is known to be now. */
  get #exports(): ExportTable {
    const { exportTables } = this.#context.settings();
    return exportTables.of({ domid: this.domid, name: this.#name.forExports });
  }

  async #onObservation({ instance, offer }: Observation): Promise<void> {
    const vanished = instance === undefined && this.state.kind === 'up';
    if (vanished && !(await this.#context.marker.isPresent())) {
      return;
    }
    if (instance !== undefined && instance !== this.#instance) {
      await this.#context.verify(this.domid);
      if (this.#stopped) {
        return;
      }
      // Should this be another domain with the same domid: xenstored has forgotten that the domid may
      // read our nodes (XSA-322).
      this.publishAgain();
    }
    this.#instance = instance;
    this.#supervisor.observe(instance, offer);
  }

  /** Before the link is up, so that the first stream finds the table there. */
  #onLink(link: LinkId): void {
    this.#context.links.add(link, this.domid);
    this.#context.dataplane.setExports(link, this.#exports.entries);
  }

  /** Announces to the peer what it may open, and nothing else. */
  #announce(link: LinkId): void {
    const allowed = this.#exports.announced;
    const announced = servicesThatFit(allowed);
    if (announced.length < allowed.length) {
      this.#log.error(
        { announced: announced.length, leftOut: allowed.length - announced.length },
        'not all services fit in one announcement: the last exports are not announced; export fewer, or with shorter names',
      );
    }
    try {
      this.#context.dataplane.sendServices(link, encodeServices(announced));
    } catch (error) {
      this.#log.error({ why: messageOf(error) }, 'failed to announce services');
    }
  }

  #show(link: LinkId): void {
    const { config, accounts } = this.#context.settings();
    const identity = { domid: this.domid, name: this.#name.forImports(link) };
    const services = selectServices(config.imports, accounts, identity, this.#announced);
    this.#context.view
      .show(link, identity, services)
      .catch((error: unknown) =>
        this.#log.error({ err: error }, 'failed to update service sockets'),
      );
  }

  #nothingAnnounced(): void {
    this.#announced = [];
    this.#context.view.hide(this.domid);
  }
}
