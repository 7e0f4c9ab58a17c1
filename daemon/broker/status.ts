/** The state of links, in the types of the control model. Pure. */
import type { LinkStateName, PeerStatus } from '../control/model.js';
import type { LinkCounters } from '../dataplane/dataplane.js';
import type { DomId, LinkId } from '../ids.js';
import { type LinkState, linkOf } from '../link/machine.js';
import type { Peer } from './peer.js';

function stateName(state: LinkState): LinkStateName {
  return state.kind === 'up' && state.draining ? 'draining' : state.kind;
}

/** By link. */
export type CountersByLink = ReadonlyMap<LinkId, LinkCounters>;

/** What is known of a peer from sources other than its link. */
export interface PeerExtras {
  readonly counters: CountersByLink;
  readonly problems: number;
  readonly lastRefused: PeerStatus['lastRefused'];
}

function countersOf(link: LinkId | undefined, counters: CountersByLink): PeerStatus['counters'] {
  const found = link === undefined ? undefined : counters.get(link);
  if (found === undefined) {
    return null;
  }
  const { link: _, ...rest } = found;
  return rest;
}

/** What the link is waiting for, where nothing has failed. */
const WAITING: Readonly<Record<Exclude<LinkState['kind'], 'up' | 'down'>, string>> = {
  absent: 'no daemon there has published anything for this domain',
  offering: 'the peer has not taken up our offer yet',
  connecting: 'the peer has not offered a link yet',
};

/** Empty only for a link that is up. */
function reasonOf({ state, problem, lastEnd }: Peer): string {
  switch (state.kind) {
    case 'up':
      return state.draining ? 'the peer has said goodbye' : '';
    case 'down':
      return state.reason;
    case 'absent':
      // Without a watch it is unknown whether the peer is there.
      return problem ?? lastEnd?.reason ?? WAITING.absent;
    default:
      return problem ?? lastEnd?.reason ?? WAITING[state.kind];
  }
}

export function peerStatus(
  peer: Peer,
  { counters, problems, lastRefused }: PeerExtras,
): PeerStatus {
  const { state } = peer;
  return {
    domid: peer.domid,
    name: peer.name ?? null,
    uuid: peer.uuid ?? null,
    self: false,
    state: stateName(state),
    reason: reasonOf(peer),
    lastEnd: peer.lastEnd ?? null,
    lastRefused,
    since: peer.since,
    instance: state.kind === 'absent' ? null : state.instance,
    features: peer.features ?? null,
    services: peer.announced.length,
    problems,
    counters: state.kind === 'up' ? countersOf(linkOf(state), counters) : null,
  };
}

export function ownStatus(
  own: {
    readonly domid: DomId;
    readonly name: string | undefined;
    readonly instance: string;
    readonly since: number;
    readonly reason: string;
    readonly lastEnd: PeerStatus['lastEnd'] | undefined;
    readonly services: number;
    readonly link: LinkId | undefined;
  },
  { counters, problems, lastRefused }: PeerExtras,
): PeerStatus {
  return {
    domid: own.domid,
    name: own.name ?? null,
    uuid: null,
    self: true,
    state: own.link !== undefined ? 'up' : own.lastEnd === undefined ? 'absent' : 'down',
    reason: own.reason,
    lastEnd: own.lastEnd ?? null,
    lastRefused,
    since: own.since,
    instance: own.instance,
    features: null,
    services: own.services,
    problems,
    counters: countersOf(own.link, counters),
  };
}
