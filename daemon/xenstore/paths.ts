/**
 * The paths of xsock's nodes in xenstore. Every node is written by the domain below whose home it lies and
 * readable by one peer; the layout of an offer is that of a libxenvchan server (base path of at most 49
 * bytes, since libxenvchan cuts longer ones).
 */
import type { DomId } from '../ids.js';

/** What `from` publishes for `to`. */
export function linkDirectory(from: DomId, to: DomId): string {
  return `/local/domain/${from}/data/xsock/${to}`;
}

/** Everything that `domid` publishes. */
export function publishedDirectory(domid: DomId): string {
  return `/local/domain/${domid}/data/xsock`;
}

/** The mark of the running daemon: its instance id. No peer reads it; a restored or rewritten home has lost it. */
export function daemonNode(domid: DomId): string {
  return `${publishedDirectory(domid)}/daemon`;
}

export function domainName(domid: DomId): string {
  return `/local/domain/${domid}/name`;
}

/** `/vm/<uuid>`: identifies the domain for the toolstack, whatever its domid. */
export function domainVm(domid: DomId): string {
  return `/local/domain/${domid}/vm`;
}

/** Domain 0's directory of the host's domains for chosen guests; its daemon writes it. */
export const DIRECTORY = '/local/domain/0/data/xsock/directory';

export function directoryEntry(domid: DomId): string {
  return `${DIRECTORY}/${domid}`;
}

/** Below an entry of the directory. */
export const ENTRY_NAME = 'name';
export const ENTRY_UUID = 'uuid';

export const DOMAINS = '/local/domain';
/** A watch there fires when it is set, by us or (after a restore) by Linux, and at no other time. */
export const NOBODY_WRITES = '/tool/xsock';
/** Relative to the own home. */
export const OWN_DOMID = 'domid';
export const OWN_NAME = 'name';

/** Below a link directory. */
export const INSTANCE = 'instance';
export const RING_REF = 'ring-ref';
export const EVENT_CHANNEL = 'event-channel';
/** Changes with every offer, in the transaction that changes the two above. */
export const OFFER_ID = 'offer-id';
