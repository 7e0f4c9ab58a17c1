/** The file layout of a run directory. */
import { join } from 'node:path';
import type { DomId } from '../ids.js';

/** Services by port number, below a domain's directory; hence no service may have this name. */
export const PORTS = 'port';
/** Links from domain names to domains' directories. */
export const BY_NAME = 'by-name';

/** Sockets that lead to raw vchan servers, below directories named for their domids. */
export const VCHANS = 'vchan';

export function domainDirectory(run: string, domid: DomId): string {
  return join(run, String(domid));
}

export function portDirectory(run: string, domid: DomId): string {
  return join(run, String(domid), PORTS);
}

export function vchanDirectory(run: string, domid: DomId): string {
  return join(run, VCHANS, String(domid));
}
