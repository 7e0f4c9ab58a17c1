/** `<run>/by-name/<domain name>`: a symbolic link to the domain's directory, while the domain is shown. */
import { mkdirSync, readlinkSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import type { DomId } from '../ids.js';
import type { PeerLogs } from '../log/peer-logs.js';
import { isDomainName } from '../text/names.js';
import { BY_NAME } from './layout.js';

function targetOf(domid: DomId): string {
  return join('..', String(domid));
}

/** Names are unique in Xen's toolstack; should two domains have the same one, the first that is shown gets it. */
export class NameLinks {
  readonly #directory: string;
  readonly #logs: PeerLogs;
  readonly #links = new Map<DomId, string>();

  constructor(run: string, logs: PeerLogs) {
    this.#directory = join(run, BY_NAME);
    this.#logs = logs;
  }

  /** A name that cannot be a file name gets no link. Throws what symlink(2) says. */
  show(domid: DomId, name: string): void {
    const path = join(this.#directory, name);
    if (this.#links.get(domid) === path) {
      return;
    }
    this.hide(domid);
    if (!isDomainName(name)) {
      return;
    }
    mkdirSync(this.#directory, { recursive: true, mode: 0o755 });
    symlinkSync(targetOf(domid), path);
    this.#links.set(domid, path);
  }

  hide(domid: DomId): void {
    const path = this.#links.get(domid);
    if (path === undefined) {
      return;
    }
    this.#links.delete(domid);
    try {
      if (readlinkSync(path) === targetOf(domid)) {
        unlinkSync(path);
      }
      if (this.#links.size === 0) {
        rmdirSync(this.#directory);
      }
    } catch (error) {
      this.#logs
        .of(domid)
        .warn({ path, why: messageOf(error) }, 'link by name was modified externally');
    }
  }
}
