/**
 * May this peer open this export? Pure: the answer and the rule behind it follow from the configuration
 * and from who the hypervisor says the peer is. Nothing that the peer itself says is considered.
 */
import type { ExportConfig, PeerSelector } from '../config/config.js';
import { formatSource } from '../config/problems.js';
import type { DomId } from '../ids.js';

/** A peer as the hypervisor vouches for it. */
export interface PeerIdentity {
  readonly domid: DomId;
  /** Only if read from a place that the peer cannot write, or given in the configuration. */
  readonly name?: string | undefined;
}

export interface PolicyRequest {
  readonly peer: PeerIdentity;
  readonly export: ExportConfig;
}

export interface Decision {
  readonly kind: 'allow' | 'deny';
  /** Which entry of the allow-list decided, with its place; `default deny` if none did. */
  readonly rule: string;
}

/** The first entry of the allow-list that names the peer allows it; without one it is denied. */
export function decide(request: PolicyRequest): Decision {
  const { peer, export: service } = request;
  const index = service.allow.findIndex(entry => selectsPeer(entry.peer, peer));
  const entry = service.allow[index];
  if (entry === undefined) return { kind: 'deny', rule: 'default deny' };
  return {
    kind: 'allow',
    rule: `allow[${index}] (${formatSelector(entry.peer)}) at ${formatSource(entry.source)}`,
  };
}

/** A peer whose name is not known is never selected by name. */
export function selectsPeer(selector: PeerSelector, peer: PeerIdentity): boolean {
  switch (selector.kind) {
    case 'any':
      return true;
    case 'domid':
      return selector.domid === peer.domid;
    case 'name':
      return selector.name === peer.name;
  }
}

function formatSelector(selector: PeerSelector): string {
  switch (selector.kind) {
    case 'any':
      return 'any';
    case 'domid':
      return `domid ${selector.domid}`;
    case 'name':
      return `domain "${selector.name}"`;
  }
}
