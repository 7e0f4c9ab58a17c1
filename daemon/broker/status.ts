/** What the broker's parts hold, in the shapes of the control model: links. Pure. */
import type { LinkStateName, PeerStatus } from '../control/model.js';
import type { LinkCounters } from '../dataplane/dataplane.js';
import type { DomId, LinkId } from '../ids.js';
import { type LinkState, linkOf } from '../link/machine.js';
import type { Peer } from './peer.js';

function stateName(state: LinkState): LinkStateName {
  return state.kind === 'up' && state.draining ? 'draining' : state.kind;
}

function countersOf(
  link: LinkId | undefined,
  counters: readonly LinkCounters[],
): PeerStatus['counters'] {
  const found = counters.find(candidate => candidate.link === link);
  if (found === undefined) {
    return null;
  }
  const { link: _, ...rest } = found;
  return rest;
}

/** Why an absent peer may be there for all we know; empty if there is no such reason. */
function notLooking({ state, problem }: Peer): string {
  return state.kind === 'absent' ? (problem ?? '') : '';
}

export function peerStatus(peer: Peer, counters: readonly LinkCounters[]): PeerStatus {
  const { state } = peer;
  return {
    domid: peer.domid,
    name: peer.name ?? null,
    uuid: peer.uuid ?? null,
    self: false,
    state: stateName(state),
    reason: state.kind === 'down' ? state.reason : notLooking(peer),
    since: peer.since,
    instance: state.kind === 'absent' ? null : state.instance,
    services: peer.offered.length,
    counters: state.kind === 'up' ? countersOf(linkOf(state), counters) : null,
  };
}

export function ownStatus(
  own: {
    readonly domid: DomId;
    readonly name: string | undefined;
    readonly instance: string;
    readonly since: number;
    readonly services: number;
    readonly link: LinkId | undefined;
  },
  counters: readonly LinkCounters[],
): PeerStatus {
  return {
    domid: own.domid,
    name: own.name ?? null,
    uuid: null,
    self: true,
    state: own.link === undefined ? 'absent' : 'up',
    reason: '',
    since: own.since,
    instance: own.instance,
    services: own.services,
    counters: countersOf(own.link, counters),
  };
}
