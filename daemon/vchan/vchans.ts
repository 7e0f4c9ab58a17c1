/**
 * All raw vchan servers and doors of the configuration. The thread behind them is only started once there
 * is one. A reload ends what is no longer configured, and leaves alone what did not change.
 */
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Config, ExportConfig, VchanOffer } from '../config/config.js';
import type { VchanEvent, VchanPlane } from '../dataplane/vchan.js';
import type { DomId } from '../ids.js';
import type { PeerLogs } from '../log/peer-logs.js';
import type { Accounts } from '../service/accounts.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import { type Door, VchanClient } from './client.js';
import { VchanServer } from './server.js';

export interface VchansParts {
  readonly open: () => VchanPlane;
  readonly xenstore: Xenstore;
  readonly self: DomId;
  readonly run: string;
  readonly logs: PeerLogs;
  /** Event channels wait for settleHypervisor(). */
  readonly onPortsResting: () => void;
}

interface Running<Settings, Part> {
  readonly settings: Settings;
  readonly part: Part;
}

/** What of an export matters to its server. */
interface ServerSettings {
  readonly peer: DomId;
  readonly path: string;
  readonly target: ExportConfig['target'];
}

export class Vchans {
  readonly #parts: VchansParts;
  #plane: VchanPlane | undefined;
  #servers: Running<ServerSettings, VchanServer>[] = [];
  #clients: Running<Door, VchanClient>[] = [];

  constructor(parts: VchansParts) {
    this.#parts = parts;
  }

  async apply(config: Config, accounts: Accounts): Promise<void> {
    const offers = config.exports.flatMap(service =>
      service.vchan.map(offer => ({ service, offer, settings: serverSettings(service, offer) })),
    );
    const doors = this.#doors(config, accounts);
    await this.#endExcept(
      offers.map(({ settings }) => settings),
      doors,
    );
    for (const { service, offer, settings } of offers) {
      if (!has(this.#servers, settings)) {
        const part = new VchanServer({ ...this.#parts, plane: this.#open() }, service, offer);
        this.#servers.push({ settings, part });
        part.start();
      }
    }
    for (const door of doors) {
      if (!has(this.#clients, door)) {
        await mkdir(dirname(door.path), { recursive: true });
        const part = new VchanClient({ ...this.#parts, plane: this.#open() }, door);
        this.#clients.push({ settings: door, part });
        await part.start();
      }
    }
  }

  /** xenstored is back. */
  publishAgain(): void {
    for (const { part } of this.#servers) part.publishAgain();
  }

  abandonHypervisor(): void {
    this.#plane?.abandonHypervisor();
  }

  settleHypervisor(): void {
    this.#plane?.settleHypervisor();
  }

  /** Ends all streams at once: there is nothing that a raw peer could be told. */
  async stop(): Promise<void> {
    await this.#endExcept([], []);
    const plane = this.#plane;
    this.#plane = undefined;
    await plane?.close();
    await rm(join(this.#parts.run, 'vchan'), { recursive: true, force: true });
  }

  #open(): VchanPlane {
    if (this.#plane === undefined) {
      this.#plane = this.#parts.open();
      this.#plane.onEvents(event => this.#handle(event));
    }
    return this.#plane;
  }

  #handle(event: VchanEvent): void {
    if (event.kind === 'ports-resting') {
      this.#parts.onPortsResting();
      return;
    }
    for (const { part } of this.#clients) part.handle(event);
    if (event.kind === 'ended') {
      for (const { part } of this.#servers) part.handle(event);
    }
  }

  #doors(config: Config, accounts: Accounts): readonly Door[] {
    return config.imports.flatMap(rule => {
      const { peer, service, vchan, mode } = rule;
      if (vchan === undefined || peer.kind !== 'domid' || service.kind !== 'name') {
        return [];
      }
      const { uid, gid } = accounts.get(rule) ?? { uid: -1, gid: -1 };
      const path = join(this.#parts.run, 'vchan', String(peer.domid), service.name);
      return [{ peer: peer.domid, vchan, path, mode, uid, gid }];
    });
  }

  async #endExcept(servers: readonly ServerSettings[], doors: readonly Door[]): Promise<void> {
    const ending = [
      ...this.#servers.filter(({ settings }) => !contains(servers, settings)),
      ...this.#clients.filter(({ settings }) => !contains(doors, settings)),
    ];
    this.#servers = this.#servers.filter(({ settings }) => contains(servers, settings));
    this.#clients = this.#clients.filter(({ settings }) => contains(doors, settings));
    await Promise.all(ending.map(({ part }) => part.stop()));
    for (const { settings } of ending) {
      if ('vchan' in settings) await rm(settings.path, { force: true });
    }
  }
}

function serverSettings({ target }: ExportConfig, { peer, path }: VchanOffer): ServerSettings {
  return { peer, path, target };
}

function contains<T>(list: readonly T[], wanted: T): boolean {
  return list.some(item => isDeepStrictEqual(item, wanted));
}

function has<T>(running: readonly Running<T, unknown>[], wanted: T): boolean {
  return running.some(({ settings }) => isDeepStrictEqual(settings, wanted));
}
