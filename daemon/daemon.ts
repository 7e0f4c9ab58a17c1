/**
 * The daemon: connects discovery, links, policy and view with one data plane, and starts, reconfigures and stops
 * them. Opens nothing itself; what it works on is passed in (process/run.ts), so that tests can pass in something
 * else. Where events go is in broker/event-router.ts, what status requests get in broker/report.ts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { concernedBy, describeChanges } from './broker/changes.js';
import type { BrokerContext, Settings } from './broker/context.js';
import { Directory } from './broker/directory.js';
import { EndedStreams } from './broker/ended-streams.js';
import { EventRouter } from './broker/event-router.js';
import { LinkTable } from './broker/link-table.js';
import { OwnExports } from './broker/own-exports.js';
import { Peers } from './broker/peers.js';
import { Presence } from './broker/presence.js';
import { Refusals } from './broker/refusals.js';
import { Report } from './broker/report.js';
import { prepareSettings } from './broker/settings.js';
import { removeStaleNodes } from './broker/stale-nodes.js';
import { XenstoreMarker } from './broker/xenstore-marker.js';
import type { Config } from './config/config.js';
import { diffConfig } from './config/diff.js';
import type { DaemonStatus, ServiceStatus, StreamEnd, StreamStatus } from './control/model.js';
import type { Dataplane, DomainCheck } from './dataplane/dataplane.js';
import type { VchanPlane } from './dataplane/vchan.js';
import { readOwnName } from './discovery/identity.js';
import { type PreparedRoster, Roster } from './discovery/roster.js';
import { XsockError } from './errors.js';
import type { DomId } from './ids.js';
import { PeerLogs } from './log/peer-logs.js';
import { ExportTables } from './policy/compile.js';
import { View } from './service/view.js';
import { Vchans } from './vchan/vchans.js';
import type { Xenstore } from './xenstore/xenstore.js';

/** Milliseconds that a stop waits for a reload: peers must get their GOODBYE, also if xenstored hangs. */
const RELOAD_PATIENCE = 500;

export interface DaemonParts {
  readonly config: Config;
  readonly configPath: string;
  readonly version: string;
  readonly hypervisor: 'loopback' | 'xen';
  readonly domid: DomId;
  /** This start, 32 hexadecimal digits; the data plane's HELLO carries the same. */
  readonly instance: string;
  readonly dataplane: Dataplane;
  readonly xenstore: Xenstore;
  readonly log: Logger;
  /** Called once there are raw vchans in the configuration. */
  readonly openVchan: () => VchanPlane;
  readonly onHypervisorGone: (detail: string) => void;
  /** The domain was saved and restored: everything that was opened is invalid. */
  readonly onRestored: () => void;
}

export class Daemon {
  readonly #parts: DaemonParts;
  readonly #logs: PeerLogs;
  readonly #view: View;
  readonly #marker: XenstoreMarker;
  readonly #presence: Presence;
  readonly #context: BrokerContext;
  readonly #peers: Peers;
  readonly #router: EventRouter;
  readonly #report: Report;
  readonly #vchans: Vchans;
  readonly #directory: Directory;
  readonly #roster: Roster;
  #settings: Settings;
  #own: OwnExports | undefined;
  #name: string | undefined;
  #stopping = false;
  readonly #ending = new AbortController();
  /** Settles with the last reload, successful or not. */
  #reloading: Promise<void> = Promise.resolve();

  constructor(parts: DaemonParts) {
    this.#parts = parts;
    const { config, dataplane, xenstore, log, domid, instance } = parts;
    const exportTables = new ExportTables(config.exports, domid);
    this.#settings = { config, accounts: new Map(), exportTables };
    this.#logs = new PeerLogs(log);
    this.#view = new View({ runDir: config.run, dataplane, logs: this.#logs });
    this.#marker = new XenstoreMarker({ xenstore, self: domid, instance, log });
    this.#presence = new Presence({
      xenstore,
      marker: this.#marker,
      self: domid,
      instance,
      log,
      publish: () => this.#publishAgain(),
      onRestored: () => this.#onRestored(),
      onSame: ports => this.#domainChecked({ restored: false, ports }),
    });
    this.#context = {
      self: domid,
      instance,
      dataplane,
      xenstore,
      marker: this.#marker,
      view: this.#view,
      log,
      logs: this.#logs,
      links: new LinkTable(),
      refusals: new Refusals(),
      endedStreams: new EndedStreams(),
      settings: () => this.#settings,
      verify: peer => this.#roster.verify(peer),
    };
    this.#vchans = new Vchans({
      open: parts.openVchan,
      xenstore,
      self: domid,
      run: config.run,
      logs: this.#logs,
      markerPresent: () => this.#marker.isPresent(),
      onClosesDeferred: ports => this.#presence.closesDeferred(ports),
    });
    this.#peers = new Peers(this.#context);
    this.#router = new EventRouter({
      context: this.#context,
      peers: this.#peers,
      own: () => this.#own,
      onLinkOfUnlisted: () => void this.#roster.refresh(),
      onClosesDeferred: ports => this.#presence.closesDeferred(ports),
      onHypervisorGone: parts.onHypervisorGone,
    });
    this.#report = new Report({
      ...parts,
      context: this.#context,
      peers: this.#peers,
      own: () => this.#own,
      name: () => this.#name,
      xenstoreConnected: () => this.#presence.connected,
    });
    this.#directory = new Directory(xenstore, log, () => this.#settings.config.directory);
    this.#roster = new Roster(
      {
        xenstore,
        self: domid,
        log,
        onRoster: (entries, known) => {
          this.#peers.update(entries, known);
          if (domid === 0 && known !== undefined) this.#directory.update(known);
        },
        onDoubt: () => this.#peers.doubtNames(),
        forgotten: listed => this.#peers.forgotten(listed),
      },
      config,
    );
  }

  /** Throws what prevents it from serving: `CONFIG_INVALID`, `FILE_ACCESS`, `XENSTORE`, `XENSTORE_GONE`. */
  async start(): Promise<void> {
    const { config, dataplane, xenstore, log, domid } = this.#parts;
    this.#settings = await prepareSettings(config, domid, this.#ending.signal);
    this.#name = await readOwnName(xenstore);
    dataplane.reportStreams(log.isLevelEnabled('debug'));
    await this.#view.prepare();
    await removeStaleNodes(xenstore, domid, false);
    dataplane.onEvents(events => {
      for (const event of events) {
        this.#router.handle(event);
      }
    });
    await this.#presence.start();
    this.#own = new OwnExports(this.#context, this.#name);
    await this.#own.start();
    await this.#roster.start();
    const vchans = await this.#vchans.prepare(config, this.#settings.accounts);
    await vchans.commit();
    log.info({ domid, name: this.#name, run: config.run }, 'serving');
  }

  /**
   * Applies a new configuration; what did not change is not touched. Returns the changes, a sentence each. All
   * that can fail comes before the first change: what it throws has changed nothing.
   */
  reload(config: Config): Promise<readonly string[]> {
    const result = this.#reloading.then(() => this.#reload(config));
    this.#reloading = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  async #reload(config: Config): Promise<readonly string[]> {
    const { signal } = this.#ending;
    signal.throwIfAborted();
    const { log, dataplane, domid } = this.#parts;
    const settings = await prepareSettings(config, domid, signal);
    const diff = diffConfig(this.#settings.config, config);
    const concerned = concernedBy(diff, this.#settings, settings);
    const vchans = await this.#vchans.prepare(config, settings.accounts);
    let roster: PreparedRoster | undefined;
    try {
      if (concerned.roster) roster = await this.#roster.prepare(config);
      // A stop may not have waited for us.
      signal.throwIfAborted();
    } catch (error) {
      await vchans.abandon();
      throw error;
    }
    this.#settings = settings;
    if (concerned.logLevel) {
      log.level = config.log.level;
      dataplane.reportStreams(log.isLevelEnabled('debug'));
    }
    if (concerned.limits) dataplane.setLimits(config.limits);
    await roster?.commit();
    if (concerned.directory) this.#directory.apply();
    this.#peers.apply(concerned);
    if (concerned.exports || concerned.imports) await this.#own?.apply(concerned);
    await vchans.commit();
    return describeChanges(diff);
  }

  /**
   * Sends GOODBYE to all peers; open streams get `drain` milliseconds to finish. May be called again
   * with less. Afterwards nothing of ours is left in xenstore or in the run directory.
   */
  async stop(drain: number): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      // The waits of a reload are cancelled; changes that it has begun are finished first, unless it hangs.
      this.#ending.abort(new XsockError('CONTROL_REFUSED', 'the daemon is stopping'));
      await Promise.race([this.#reloading, delay(RELOAD_PATIENCE, undefined, { ref: false })]);
    }
    // In parallel: should xenstored hang, peers get their GOODBYE and streams end all the same.
    await Promise.all([
      this.#presence.stop(),
      this.#roster.close(),
      this.#directory.stop(),
      this.#peers.stop(drain),
      this.#own?.stop(drain),
      this.#vchans.stop(),
    ]);
    await this.#view.close();
    this.#logs.close();
    const { xenstore, domid } = this.#parts;
    await removeStaleNodes(xenstore, domid, true);
  }

  /** Reloads are not its responsibility: it only gets their results. */
  status(): Promise<Omit<DaemonStatus, 'lastReload'>> {
    return this.#report.status();
  }

  services(): Promise<readonly ServiceStatus[]> {
    return this.#report.services();
  }

  streams(): Promise<readonly StreamStatus[]> {
    return this.#report.streams();
  }

  /** Resolves once all threads that move bytes have had a turn; never, should one hang. */
  async alive(): Promise<void> {
    await Promise.all([this.#parts.dataplane.alive(), this.#vchans.alive()]);
  }

  /** The end of the stream that this program opened at `since` or later, and that has ended for it. */
  streamEnd(program: number, since: number): Promise<StreamEnd> {
    return this.#report.streamEnd(program, since);
  }

  /** False if that peer has no such stream. */
  async resetStream(peer: number, stream: number): Promise<boolean> {
    for (const link of this.#context.links.linksOf(peer)) {
      if (await this.#parts.dataplane.resetStream(link, stream)) return true;
    }
    return false;
  }

  #onRestored(): void {
    const { log, onRestored } = this.#parts;
    log.warn('the domain was restored: all links are re-created, their streams end');
    this.#domainChecked({ restored: true, ports: [] });
    onRestored();
  }

  /** Ports are numbers of the domain: each data plane closes those of its own. */
  #domainChecked(check: DomainCheck): void {
    this.#parts.dataplane.domainChecked(check);
    this.#vchans.domainChecked(check);
  }

  /** All except the mark: see Presence. */
  async #publishAgain(): Promise<void> {
    await this.#directory.forget();
    this.#vchans.publishAgain();
    for (const peer of this.#peers.all()) peer.publishAgain();
    await this.#roster.refresh();
  }
}
