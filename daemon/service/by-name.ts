/** `<run>/by-name/<domain name>`: a link to the domain's directory, while the domain is shown. */
import { mkdirSync, readlinkSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { messageOf } from '../errors.js';
import type { DomId } from '../ids.js';
import { BY_NAME } from './layout.js';
import { isDomainName } from './name.js';

function targetOf(domid: DomId): string {
  return join('..', String(domid));
}

/** Names are unique in Xen's toolstack; should two domains claim one, the first that is shown has it. */
export class NameLinks {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #links = new Map<DomId, string>();

  constructor(run: string, log: Logger) {
    this.#directory = join(run, BY_NAME);
    this.#log = log;
  }

  /** A name that cannot be a file name gets no link. */
  show(domid: DomId, name: string): void {
    const path = join(this.#directory, name);
    if (this.#links.get(domid) === path) {
      return;
    }
    this.hide(domid);
    if (!isDomainName(name)) {
      return;
    }
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o755 });
      symlinkSync(targetOf(domid), path);
      this.#links.set(domid, path);
    } catch (error) {
      this.#log.warn({ domid, path }, `no link by name: ${messageOf(error)}`);
    }
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
      this.#log.warn({ domid, path }, `the link by name is not as we made it: ${messageOf(error)}`);
    }
  }
}
