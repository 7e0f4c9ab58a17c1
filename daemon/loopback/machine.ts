/**
 * The loopback machine: a hypervisor and a xenstored in one process, for the domains of one directory.
 * It acts as the toolstack too: creates a domain with its home in xenstore, and removes it as `xl destroy`
 * does. It knows nothing of sockets between domains, links or services.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { loadNative } from '../dataplane/native.js';
import type { NativeDomainCounts, NativeLoopbackMachine } from '../dataplane/native-loopback.js';
import { XsockError } from '../errors.js';
import { MAX_SOCKET_PATH } from '../http/unix-path.js';
import { DOMID_FIRST_RESERVED, type DomId, parseDomId, toDomId } from '../ids.js';
import { type DomainLayout, type MachineLayout, machineLayout } from './layout.js';
import { Xenstored } from './xenstored/xenstored.js';

export interface DomainInfo {
  readonly domid: DomId;
  readonly name: string;
  readonly uuid: string;
  readonly dir: string;
}

export interface NewDomain {
  /** The next unused one if absent. */
  readonly domid?: DomId;
  /** The domain's name as the toolstack gives it: 1-64 characters from A-Z a-z 0-9 . _ - */
  readonly name: string;
  readonly uuid?: string;
}

const DOM0 = toDomId(0) as DomId;
const DOMAIN_NAME = /^[A-Za-z0-9._-]{1,64}$/;

export class LoopbackMachine {
  private readonly layout: MachineLayout;
  private readonly hypervisor: NativeLoopbackMachine;
  private readonly xenstored: Xenstored;
  private readonly domains = new Map<DomId, DomainInfo>();
  /** Xen counts up and wraps; a domid is reused late. */
  private nextDomid = 1;
  /** Domains are created and destroyed one at a time: each step below relies on the one before. */
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    layout: MachineLayout,
    hypervisor: NativeLoopbackMachine,
    xenstored: Xenstored,
  ) {
    this.layout = layout;
    this.hypervisor = hypervisor;
    this.xenstored = xenstored;
  }

  /**
   * Starts a machine with domain 0 in `dir` (created if missing). The caller holds the directory's
   * lock. Throws `ADDON_MISSING`, `FILE_ACCESS`, `PATH_TOO_LONG`.
   */
  static async start(dir: string): Promise<LoopbackMachine> {
    const layout = machineLayout(dir);
    await mkdir(layout.domains, { recursive: true, mode: 0o755 });
    await sweep(layout);
    const native = loadNative();
    const machine = new LoopbackMachine(layout, new native.LoopbackMachine(), new Xenstored());
    await machine.introduce({ domid: DOM0, name: 'Domain-0' });
    return machine;
  }

  list(): readonly DomainInfo[] {
    return [...this.domains.values()];
  }

  /** What every domain holds: for checks that nothing leaks. */
  counts(): readonly (NativeDomainCounts & {
    readonly nodes: number;
    readonly watches: number;
    readonly transactions: number;
  })[] {
    const store = this.xenstored.counts();
    return this.hypervisor.counts().map(counts => {
      const domid = counts.domid as DomId;
      const { nodes, watches, transactions } = store.get(domid) ?? {
        nodes: 0,
        watches: 0,
        transactions: 0,
      };
      return { ...counts, nodes, watches, transactions };
    });
  }

  /** Creates a domain. Throws `USAGE` for a domid or name that is taken or not possible. */
  introduce(domain: NewDomain): Promise<DomainInfo> {
    return this.inTurn(() => this.introduceNow(domain));
  }

  /** Destroys a domain, as `xl destroy` does. Throws `USAGE` if there is none. */
  destroy(domid: DomId): Promise<void> {
    return this.inTurn(() => this.destroyNow(domid));
  }

  async close(): Promise<void> {
    await this.turn.catch(() => undefined);
    this.hypervisor.close();
    await this.xenstored.close();
    await sweep(this.layout);
    await rmdir(this.layout.domains);
  }

  private inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.turn.catch(() => undefined).then(step);
    this.turn = result;
    return result;
  }

  private async introduceNow({ domid: wanted, name, uuid }: NewDomain): Promise<DomainInfo> {
    if (!DOMAIN_NAME.test(name)) {
      throw new XsockError(
        'USAGE',
        `'${JSON.stringify(name).slice(1, -1)}' cannot name a domain: 1-64 characters from A-Z a-z 0-9 . _ -`,
      );
    }
    const domid = wanted ?? this.unusedDomid();
    if (this.domains.has(domid)) {
      throw new XsockError('USAGE', `there is a domain ${domid} already`);
    }
    const paths = this.layout.domain(domid);
    checkSocketPaths(paths);
    const info: DomainInfo = { domid, name, uuid: uuid ?? randomUUID(), dir: paths.dir };
    await mkdir(paths.dir, { recursive: true, mode: 0o700 });
    this.hypervisor.introduce(domid, paths.hypercall);
    await this.xenstored.listen(domid, paths.xenstored);
    this.xenstored.createHome(info);
    this.domains.set(domid, info);
    this.nextDomid = Math.max(this.nextDomid, domid + 1);
    this.xenstored.introduce(domid);
    return info;
  }

  private async destroyNow(domid: DomId): Promise<void> {
    if (domid === DOM0) {
      throw new XsockError('USAGE', 'domain 0 goes with the machine: stop that instead');
    }
    if (!this.domains.delete(domid)) {
      throw new XsockError('USAGE', `there is no domain ${domid}`);
    }
    this.hypervisor.destroy(domid);
    this.xenstored.removeHome(domid);
    this.xenstored.release(domid);
    await removeDomainDir(this.layout.domain(domid));
  }

  private unusedDomid(): DomId {
    for (let tried = 0; tried < DOMID_FIRST_RESERVED; tried++) {
      const domid = toDomId(this.nextDomid);
      this.nextDomid = domid === undefined ? 1 : this.nextDomid + 1;
      if (domid !== undefined && !this.domains.has(domid)) {
        return domid;
      }
    }
    throw new XsockError('USAGE', 'every domid is in use');
  }
}

/** Both have names of one length. Throws `PATH_TOO_LONG`. */
function checkSocketPaths({ xenstored }: DomainLayout): void {
  const bytes = Buffer.byteLength(xenstored);
  if (bytes > MAX_SOCKET_PATH) {
    throw new XsockError(
      'PATH_TOO_LONG',
      `'${xenstored}' has ${bytes} bytes; a UNIX socket path has at most ${MAX_SOCKET_PATH}: use a shorter --dir`,
      { subject: xenstored },
    );
  }
}

async function removeDomainDir(paths: DomainLayout): Promise<void> {
  await rm(paths.xenstored, { force: true });
  await rm(paths.hypercall, { force: true });
  await rm(paths.daemonLock, { force: true });
  await rmdir(paths.dir);
}

/** Removes the stale files of an earlier machine in this directory; anything else stays. */
async function sweep(layout: MachineLayout): Promise<void> {
  for (const entry of await readdir(layout.domains)) {
    const domid = parseDomId(entry);
    if (domid !== undefined) {
      await removeDomainDir(layout.domain(domid));
    }
  }
}
