/**
 * All raw vchan servers and listeners of the configuration. The thread behind them is only started once there
 * is one. A reload ends what is no longer configured, and leaves alone what did not change.
 */

import { join } from 'node:path';
import type { Config, ExportConfig, VchanOffer } from '../config/config.js';
import type { DomainCheck } from '../dataplane/dataplane.js';
import type { VchanEvent, VchanPlane } from '../dataplane/vchan.js';
import type { DomId, EventChannelPort } from '../ids.js';
import type { PeerLogs } from '../log/peer-logs.js';
import type { Accounts } from '../service/accounts.js';
import { vchanDirectory } from '../service/layout.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import { VchanClient } from './client.js';
import { type ListenerSettings, VchanListener } from './listener.js';
import { VchanServer } from './server.js';

export interface VchansParts {
  readonly open: () => VchanPlane;
  readonly xenstore: Xenstore;
  readonly self: DomId;
  readonly run: string;
  readonly logs: PeerLogs;
  /** As XenstoreMarker.isPresent(). */
  readonly markerPresent: () => Promise<boolean>;
  /** Event channels stay bound until domainChecked() names them. */
  readonly onClosesDeferred: (ports: readonly EventChannelPort[]) => void;
}

/** A configuration whose listeners are open, but not yet at their paths. One of the two calls has to follow. */
export interface PreparedVchans {
  /** Puts it in force; what fails now is logged and does not stop the rest. */
  commit(): Promise<void>;
  /** Nothing has changed. */
  abandon(): Promise<void>;
}

interface RunningServer {
  readonly settings: ServerSettings;
  readonly part: VchanServer;
}

interface RunningClient {
  readonly settings: ListenerSettings;
  readonly listener: VchanListener;
  readonly part: VchanClient;
}

/** The part of an export that its server depends on. */
interface ServerSettings {
  readonly peer: DomId;
  readonly path: string;
  readonly target: ExportConfig['target'];
}

interface Wanted {
  readonly service: ExportConfig;
  readonly offer: VchanOffer;
  readonly settings: ServerSettings;
}

export class Vchans {
  readonly #parts: VchansParts;
  #plane: VchanPlane | undefined;
  #servers: readonly RunningServer[] = [];
  #clients: readonly RunningClient[] = [];

  constructor(parts: VchansParts) {
    this.#parts = parts;
  }

  /**
   * Everything of it that can fail. Throws `PATH_TAKEN`, `PATH_TOO_LONG`, `FILE_ACCESS`, `DATAPLANE`,
   * `XENSTORE` or `XENSTORE_GONE`, and then nothing has changed. Not to be called again before the
   * commit() or abandon() of what it returned has ended.
   */
  async prepare(config: Config, accounts: Accounts): Promise<PreparedVchans> {
    const offers = config.exports.flatMap(service =>
      service.vchan.map(offer => ({ service, offer, settings: serverSettings(service, offer) })),
    );
    const listeners = this.#listenersOf(config, accounts);
    if (offers.length > 0) this.#open();
    const opened: RunningClient[] = [];
    const abandon = async (): Promise<void> => {
      await Promise.all(opened.map(client => this.#end(client)));
    };
    const there = new Set(this.#clients.map(({ settings }) => keyOf(settings)));
    const replaced = new Map(
      this.#clients.map(({ settings, listener }) => [settings.path, listener]),
    );
    try {
      for (const listener of listeners) {
        if (there.has(keyOf(listener))) continue;
        await this.#openListener(listener, replaced.get(listener.path), opened);
      }
    } catch (error) {
      await abandon();
      throw error;
    }
    return { commit: () => this.#commit(offers, listeners, opened), abandon };
  }

  /** What is published may be lost. */
  publishAgain(): void {
    for (const { part } of this.#servers) part.publishAgain();
  }

  /** Its thread has had a turn, if there is one. */
  async alive(): Promise<void> {
    await this.#plane?.alive();
  }

  domainChecked(check: DomainCheck): void {
    this.#plane?.domainChecked(check);
  }

  /** Resets all streams: there is no goodbye for a raw peer. */
  async stop(): Promise<void> {
    await this.#commit([], [], []);
    const plane = this.#plane;
    this.#plane = undefined;
    await plane?.close();
  }

  async #openListener(
    settings: ListenerSettings,
    replaced: VchanListener | undefined,
    opened: RunningClient[],
  ): Promise<void> {
    const { xenstore, logs, markerPresent } = this.#parts;
    const plane = this.#open();
    const listener = await VchanListener.open(
      plane,
      logs.of(settings.peer),
      settings,
      replaced,
      opened.length,
    );
    const part = new VchanClient({ plane, xenstore, logs, markerPresent }, settings, listener.id);
    opened.push({ settings, listener, part });
    await part.start();
  }

  async #commit(
    offers: readonly Wanted[],
    listeners: readonly ListenerSettings[],
    opened: readonly RunningClient[],
  ): Promise<void> {
    // First, so that a listener that replaces another at its path is never missing.
    for (const { listener, settings } of opened) {
      try {
        listener.moveToPlace();
      } catch (error) {
        const log = this.#parts.logs.of(settings.peer);
        log.error({ err: error, path: settings.path }, 'failed to move the socket into place');
      }
    }
    const wanted = new Set([...offers.map(({ settings }) => settings), ...listeners].map(keyOf));
    const isWanted = ({ settings }: RunningServer | RunningClient) => wanted.has(keyOf(settings));
    const ending = [...this.#servers, ...this.#clients].filter(running => !isWanted(running));
    const servers = this.#servers.filter(isWanted);
    this.#servers = servers;
    this.#clients = [...this.#clients.filter(isWanted), ...opened];
    await Promise.all(ending.map(running => this.#end(running)));
    const there = new Set(servers.map(({ settings }) => keyOf(settings)));
    for (const { service, offer, settings } of offers) {
      if (there.has(keyOf(settings))) continue;
      const part = new VchanServer({ ...this.#parts, plane: this.#open() }, service, offer);
      servers.push({ settings, part });
      part.start();
    }
  }

  async #end(running: RunningServer | RunningClient): Promise<void> {
    try {
      const stopped = running.part.stop();
      if ('listener' in running) running.listener.close();
      await stopped;
    } catch (error) {
      const log = this.#parts.logs.of(running.settings.peer);
      log.warn({ err: error }, 'failed to close a raw vchan in order');
    }
  }

  #open(): VchanPlane {
    if (this.#plane === undefined) {
      this.#plane = this.#parts.open();
      this.#plane.onEvents(event => this.#handle(event));
    }
    return this.#plane;
  }

  #handle(event: VchanEvent): void {
    if (event.kind === 'closes-deferred') {
      this.#parts.onClosesDeferred(event.ports);
      return;
    }
    for (const { part } of this.#clients) part.handle(event);
    if (event.kind === 'ended') {
      for (const { part } of this.#servers) part.handle(event);
    }
  }

  #listenersOf(config: Config, accounts: Accounts): readonly ListenerSettings[] {
    return config.imports.flatMap(rule => {
      const { peer, service, vchan, mode } = rule;
      if (vchan === undefined || peer.kind !== 'domid' || service.kind !== 'name') {
        return [];
      }
      const { uid, gid } = accounts.get(rule) ?? { uid: -1, gid: -1 };
      const path = join(vchanDirectory(this.#parts.run, peer.domid), service.name);
      return [{ peer: peer.domid, vchan, path, mode, uid, gid }];
    });
  }
}

function serverSettings({ target }: ExportConfig, { peer, path }: VchanOffer): ServerSettings {
  return { peer, path, target };
}

/** Equal for equal settings, and only for them: both kinds are made in one place each. */
function keyOf(settings: ServerSettings | ListenerSettings): string {
  return JSON.stringify(settings);
}
