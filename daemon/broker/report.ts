/** The daemon's answers to status requests, gathered from its parts. Changes nothing. */
import type { DaemonStatus, ServiceStatus, StreamEnd, StreamStatus } from '../control/model.js';
import type { DomId } from '../ids.js';
import { inPortions } from '../portions.js';
import type { BrokerContext } from './context.js';
import type { OwnExports } from './own-exports.js';
import type { Peers } from './peers.js';
import { listServices } from './service-list.js';
import { ownStatus, type PeerExtras, peerStatus } from './status.js';

export interface ReportParts {
  readonly context: BrokerContext;
  readonly peers: Peers;
  readonly own: () => OwnExports | undefined;
  /** This domain's, if known. */
  readonly name: () => string | undefined;
  readonly xenstoreConnected: () => boolean;
  readonly version: string;
  readonly hypervisor: 'loopback' | 'xen';
  readonly configPath: string;
}

export class Report {
  readonly #parts: ReportParts;
  readonly #started = Date.now();

  constructor(parts: ReportParts) {
    this.#parts = parts;
  }

  async status(): Promise<Omit<DaemonStatus, 'lastReload'>> {
    const { context, peers, own, version, hypervisor, configPath } = this.#parts;
    const { self, instance, dataplane, view, refusals } = context;
    const all = await dataplane.counters();
    const counters = new Map(all.map(entry => [entry.link, entry]));
    const extras = (domid: DomId): PeerExtras => ({
      counters,
      problems: view.problemsOf(domid),
      lastRefused: refusals.of(domid),
    });
    const name = this.#parts.name();
    const ownRow = ownStatus(
      {
        domid: self,
        name,
        instance,
        since: own()?.since ?? this.#started,
        reason: own()?.reason ?? '',
        lastEnd: own()?.lastEnd,
        services: own()?.count ?? 0,
        link: own()?.link,
      },
      extras(self),
    );
    const rows = peers.all().map(peer => peerStatus(peer, extras(peer.domid)));
    return {
      version,
      pid: process.pid,
      domid: self,
      name: name ?? null,
      instance,
      hypervisor,
      xenstore: this.#parts.xenstoreConnected(),
      uptime: Date.now() - this.#started,
      run: context.settings().config.run,
      config: configPath,
      peers: [ownRow, ...rows].sort((a, b) => a.domid - b.domid),
    };
  }

  services(): Promise<readonly ServiceStatus[]> {
    const { context, peers, name } = this.#parts;
    return listServices({
      own: { domid: context.self, name: name() },
      exports: context.settings().config.exports,
      peers: peers.all(),
      shown: domid => context.view.shown(domid),
    });
  }

  async streams(): Promise<readonly StreamStatus[]> {
    const { context } = this.#parts;
    const list: StreamStatus[] = [];
    await inPortions(await context.dataplane.streams(), ({ link, ...stream }) => {
      const domid = context.links.peerOf(link);
      if (domid === undefined) return;
      list.push({ ...stream, domid, domain: this.#nameOf(domid) ?? null });
    });
    return list;
  }

  /** The end of the stream that this program opened at `since` or later, and that has ended for it. */
  async streamEnd(program: number, since: number): Promise<StreamEnd> {
    const { dataplane, endedStreams } = this.#parts.context;
    // Events from before its end-of-file have arrived when all pumps have answered.
    await dataplane.alive();
    return endedStreams.find(program, since);
  }

  #nameOf(domid: DomId): string | undefined {
    const { context, peers, name } = this.#parts;
    return domid === context.self ? name() : peers.get(domid)?.name;
  }
}
