/** The file layout of a loopback machine: the only place that knows the names. */
import { join } from 'node:path';
import type { DomId } from '../ids.js';

/** In a domain's directory: held by the domain's daemon while it runs. */
export const DAEMON_LOCK = 'xsockd.lock';

export interface DomainLayout {
  /** The directory that a daemon of the domain is given (`--loopback`). */
  readonly dir: string;
  /** xenstored's socket, as this domain sees it (`XENSTORED_PATH`). */
  readonly xenstored: string;
  /** The hypercall socket (addon/hypervisor/loopback/protocol.h). */
  readonly hypercall: string;
  readonly daemonLock: string;
}

export interface MachineLayout {
  readonly dir: string;
  readonly lock: string;
  readonly control: string;
  readonly domains: string;
  domain(domid: DomId): DomainLayout;
}

export function machineLayout(dir: string): MachineLayout {
  const domains = join(dir, 'domains');
  return {
    dir,
    lock: join(dir, 'lock'),
    control: join(dir, 'control'),
    domains,
    domain(domid) {
      const domainDir = join(domains, String(domid));
      return {
        dir: domainDir,
        xenstored: join(domainDir, 'xenstored'),
        hypercall: join(domainDir, 'hypercall'),
        daemonLock: join(domainDir, DAEMON_LOCK),
      };
    },
  };
}
