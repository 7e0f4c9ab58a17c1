/**
 * The view: the sockets below the run directory through which local programs reach peers' services.
 * They exist exactly while the link is up, the peer announces the service and an import rule matches it.
 */
import { mkdirSync, rmdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Dataplane, ListenerHandle, ListenerOptions } from '../dataplane/dataplane.js';
import { messageOf } from '../errors.js';
import { freeSocketPath } from '../http/unix-path.js';
import type { DomId, LinkId, ListenerId } from '../ids.js';
import type { LineLog, PeerLogs } from '../log/peer-logs.js';
import { NameLinks } from './by-name.js';
import type { Service } from './imports.js';
import { domainDirectory, portDirectory } from './layout.js';
import { isThere, removeIfThere } from './socket-file.js';
import { sweepRunDirectory } from './sweep.js';
import { isOfTheSystem, ViewProblems } from './view-problems.js';

/** Keys of problems that are not specific to one socket. */
const BY_NAME_LINK = 'by-name';
const UPDATE = 'update';

export interface ViewParts {
  readonly runDir: string;
  readonly dataplane: Dataplane;
  readonly logs: PeerLogs;
}

export interface ShownPeer {
  readonly domid: DomId;
  readonly name?: string | undefined;
}

/** One socket of the view, wanted or existing. */
interface Entry {
  /** Identifies a socket, to compare existing and wanted ones. */
  readonly key: string;
  readonly domid: DomId;
  readonly service: Service;
  /** The path, or `host:port`. */
  readonly address: string;
  readonly options: ListenerOptions;
}

/** An existing socket of the view. */
interface Listening {
  readonly entry: Entry;
  readonly handle: ListenerHandle;
}

interface PeerView {
  readonly link: LinkId;
  readonly listeners: Map<string, Listening>;
  /** Wanted sockets that do not exist, by key; and the symbolic link by name. */
  readonly problems: ViewProblems<Entry | undefined>;
  /** The peer and the services that it shows. */
  wanted: { readonly peer: ShownPeer; readonly services: readonly Service[] };
  /** Incremented with every show(): an older one in progress stops. */
  generation: number;
}

export interface ShownService {
  readonly service: Service;
  /** Undefined: the socket could not be created; `problem` says why. */
  readonly address: string | undefined;
  readonly problem: string | undefined;
}

export class View {
  readonly #parts: ViewParts;
  readonly #names: NameLinks;
  readonly #peers = new Map<DomId, PeerView>();
  /** The listeners, by the data plane's id. */
  readonly #entries = new Map<ListenerId, Entry>();
  /** Sockets are created one after the other: freeing a path takes more than one turn. */
  #turn: Promise<void> = Promise.resolve();

  constructor(parts: ViewParts) {
    this.#parts = parts;
    this.#names = new NameLinks(parts.runDir, parts.logs);
  }

  /** Creates the run directory and removes a crashed daemon's stale files. The caller holds its lock. */
  async prepare(): Promise<void> {
    await mkdir(this.#parts.runDir, { recursive: true, mode: 0o755 });
    await sweepRunDirectory(this.#parts.runDir, this.#parts.logs.of(undefined));
  }

  /** Sets the peer's sockets; those that exist already are not touched. */
  show(link: LinkId, peer: ShownPeer, services: readonly Service[]): Promise<void> {
    let view = this.#peers.get(peer.domid);
    if (view?.link !== link) {
      this.hide(peer.domid);
      const fresh: PeerView = {
        link,
        listeners: new Map(),
        problems: new ViewProblems(() => void this.#update(fresh).catch(() => undefined)),
        wanted: { peer, services },
        generation: 0,
      };
      view = fresh;
      this.#peers.set(peer.domid, view);
    }
    view.wanted = { peer, services };
    view.generation += 1;
    return this.#update(view);
  }

  /** How many of a domain's sockets could not be created; each is retried. */
  problemsOf(domid: DomId): number {
    return this.#peers.get(domid)?.problems.size ?? 0;
  }

  /** Removes all of a peer's sockets, within this turn. */
  hide(domid: DomId): void {
    const view = this.#peers.get(domid);
    if (view === undefined) {
      return;
    }
    this.#peers.delete(domid);
    view.problems.stop();
    this.#names.hide(domid);
    for (const { entry, handle } of view.listeners.values()) {
      this.#remove(entry, handle);
    }
    this.#removeDirectories(domid);
  }

  /** Removes all sockets, also one that is being created at this moment. */
  async close(): Promise<void> {
    for (const domid of [...this.#peers.keys()]) {
      this.hide(domid);
    }
    await this.#turn;
  }

  /** Undefined if there is none left. */
  listenerOf(id: ListenerId): Pick<Entry, 'domid' | 'service' | 'address'> | undefined {
    return this.#entries.get(id);
  }

  /** A domain's sockets, and those that could not be created; one by one, since there may be many. */
  *shown(domid: DomId): Iterable<ShownService> {
    const view = this.#peers.get(domid);
    if (view === undefined) return;
    for (const { entry } of view.listeners.values()) {
      yield { service: entry.service, address: entry.address, problem: undefined };
    }
    for (const { item, why } of view.problems.all()) {
      if (item !== undefined) yield { service: item.service, address: undefined, problem: why };
    }
  }

  /** Brings the view into the wanted state, when it is its turn. */
  #update(view: PeerView): Promise<void> {
    const { generation } = view;
    const { peer, services } = view.wanted;
    const updated = this.#turn.then(async () => {
      if (!this.#isCurrent(peer.domid, view, generation)) return;
      try {
        await this.#reconcile(view, generation, peer, services);
        view.problems.solved(UPDATE);
      } catch (error) {
        view.problems.add(UPDATE, undefined, error);
        throw error;
      } finally {
        // Also if hidden meanwhile: a directory may have been created for a socket that was cancelled.
        this.#removeDirectories(peer.domid);
        if (this.#isCurrent(peer.domid, view, generation)) view.problems.tried();
      }
    });
    // The caller gets the error; it must not stop the next in turn.
    this.#turn = updated.catch(() => undefined);
    return updated;
  }

  #isCurrent(domid: DomId, view: PeerView, generation: number): boolean {
    return this.#peers.get(domid) === view && view.generation === generation;
  }

  async #reconcile(
    view: PeerView,
    generation: number,
    peer: ShownPeer,
    services: readonly Service[],
  ): Promise<void> {
    const wanted = this.#wanted(view.link, peer.domid, services);
    view.problems.keep(key => wanted.has(key) || key === BY_NAME_LINK || key === UPDATE);
    const replaced = this.#retire(view, wanted);
    this.#nameLink(view, peer, wanted.size > 0);
    /** What prevents every further socket. */
    let obstacle: unknown;
    for (const [key, entry] of wanted) {
      if (view.listeners.has(key)) {
        continue;
      }
      const old = replaced.get(entry.address);
      if (obstacle !== undefined) {
        view.problems.add(key, entry, obstacle);
        continue;
      }
      try {
        const handle = await this.#listen(entry.options, old);
        if (!this.#isCurrent(peer.domid, view, generation)) {
          this.#remove(entry, handle);
          return;
        }
        view.listeners.set(key, { entry, handle });
        this.#entries.set(handle.id, entry);
        if (view.problems.solved(key)) {
          this.#logOf(entry).info({ address: entry.address }, 'service socket created on retry');
        }
      } catch (error) {
        if (!this.#isCurrent(peer.domid, view, generation)) {
          return; // the link has gone meanwhile
        }
        if (view.problems.add(key, entry, error)) {
          const fields = { address: entry.address, why: messageOf(error) };
          this.#logOf(entry).error(fields, 'failed to create service socket; retrying');
        }
        if (isOfTheSystem(error)) {
          obstacle = error;
          continue; // the existing one stays until it can be replaced
        }
      }
      if (old !== undefined) {
        view.listeners.delete(old.entry.key);
        this.#remove(old.entry, old.handle);
      }
    }
  }

  #nameLink(view: PeerView, { domid, name }: ShownPeer, wanted: boolean): void {
    if (name === undefined || !wanted) {
      this.#names.hide(domid);
      view.problems.solved(BY_NAME_LINK);
      return;
    }
    try {
      this.#names.show(domid, name);
      view.problems.solved(BY_NAME_LINK);
    } catch (error) {
      if (view.problems.add(BY_NAME_LINK, undefined, error)) {
        const fields = { name, why: messageOf(error) };
        this.#parts.logs.of(domid).warn(fields, 'failed to create symbolic link by name; retrying');
      }
    }
  }

  #logOf({ domid, service }: Entry): LineLog {
    return this.#parts.logs.of(domid, { service: service.name ?? service.port });
  }

  /**
   * Removes what is no longer wanted, but not yet what is wanted at the same path with other rights: those
   * sockets are returned, by path, so that the new one takes the path over and there always is one.
   */
  #retire(view: PeerView, wanted: ReadonlyMap<string, Entry>): ReadonlyMap<string, Listening> {
    const paths = new Set(
      [...wanted.values()].flatMap(({ options }) => (options.kind === 'unix' ? options.path : [])),
    );
    const replaced = new Map<string, Listening>();
    for (const [key, listening] of view.listeners) {
      const { entry, handle } = listening;
      if (wanted.has(key)) {
        continue;
      }
      if (paths.has(entry.address)) {
        replaced.set(entry.address, listening);
      } else {
        view.listeners.delete(key);
        this.#remove(entry, handle);
      }
    }
    return replaced;
  }

  async #listen(options: ListenerOptions, old: Listening | undefined): Promise<ListenerHandle> {
    if (options.kind === 'unix') {
      if (old === undefined || !isThere({ ...old.handle, path: options.path })) {
        await freeSocketPath(options.path);
      }
      mkdirSync(dirname(options.path), { recursive: true, mode: 0o755 });
    }
    return await this.#parts.dataplane.listen(options);
  }

  #wanted(link: LinkId, domid: DomId, services: readonly Service[]): Map<string, Entry> {
    const entries = services.flatMap(service => this.#entriesOf(link, domid, service));
    return new Map(entries.map(entry => [entry.key, entry]));
  }

  #entriesOf(link: LinkId, domid: DomId, service: Service): readonly Entry[] {
    const { name, port, uid, gid, mode, tcp } = service;
    const { runDir } = this.#parts;
    const rights = { link, mode, uid, gid };
    const paths: ListenerOptions[] = [];
    if (name !== undefined) {
      const path = join(domainDirectory(runDir, domid), name);
      paths.push({ kind: 'unix', ...rights, path, service: { kind: 'name', name } });
    }
    if (port !== undefined) {
      const path = join(portDirectory(runDir, domid), String(port));
      paths.push({ kind: 'unix', ...rights, path, service: { kind: 'port', port } });
    }
    if (tcp !== undefined) {
      const address =
        name !== undefined
          ? ({ kind: 'name', name } as const)
          : ({ kind: 'port', port: port ?? 0 } as const);
      paths.push({ kind: 'tcp', link, host: tcp.host, port: tcp.port, service: address });
    }
    return paths.map(options => ({
      key: JSON.stringify(options),
      domid,
      service,
      address: options.kind === 'unix' ? options.path : `${options.host}:${options.port}`,
      options,
    }));
  }

  /** Only the very file that was made is removed. */
  #remove({ domid, options }: Entry, handle: ListenerHandle): void {
    const log = this.#parts.logs.of(domid);
    this.#entries.delete(handle.id);
    this.#parts.dataplane
      .unlisten(handle.id)
      .catch((error: unknown) => log.warn({ err: error }, 'failed to close a listener'));
    if (options.kind !== 'unix') {
      return;
    }
    try {
      removeIfThere({ ...handle, path: options.path });
    } catch (error) {
      // The rest of the view must be removed all the same.
      const { path } = options;
      log.warn({ path, why: messageOf(error) }, 'failed to remove a service socket');
    }
  }

  /** Those that have become empty. */
  #removeDirectories(domid: DomId): void {
    const { runDir } = this.#parts;
    for (const directory of [portDirectory(runDir, domid), domainDirectory(runDir, domid)]) {
      try {
        rmdirSync(directory);
      } catch {
        // Not empty, or never created: both are as they should be.
      }
    }
  }
}
