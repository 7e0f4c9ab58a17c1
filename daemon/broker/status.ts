/** What the broker's parts hold, in the shapes of the control model. Pure. */
import type { AllowEntry, ExportConfig } from '../config/config.js';
import type { LinkStateName, PeerStatus, ServiceStatus } from '../control/model.js';
import type { LinkCounters, Target } from '../dataplane/dataplane.js';
import type { DomId, LinkId } from '../ids.js';
import { type LinkState, linkOf } from '../link/machine.js';
import type { ShownService } from '../service/view.js';
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

interface ServiceKey {
  readonly name?: string | undefined;
  readonly port?: number | undefined;
}

function socketsOf(
  shown: readonly ShownService[],
  domid: DomId,
  { name, port }: ServiceKey,
): { readonly sockets: readonly string[]; readonly problem: string | null } {
  const mine = shown.filter(
    entry => entry.domid === domid && entry.service.name === name && entry.service.port === port,
  );
  return {
    sockets: mine.map(entry => entry.address).filter(address => address !== undefined),
    problem: mine.find(entry => entry.problem !== undefined)?.problem ?? null,
  };
}

export function importedStatus(peer: Peer, shown: readonly ShownService[]): ServiceStatus[] {
  return peer.offered.map(service => ({
    direction: 'imported',
    domid: peer.domid,
    domain: peer.name ?? null,
    name: service.name ?? null,
    port: service.port ?? null,
    ...socketsOf(shown, peer.domid, service),
  }));
}

function formatTarget(target: Target): string {
  if (target.kind === 'unix') {
    return `unix:${target.path}`;
  }
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `tcp:${host}:${target.port}`;
}

function formatAllow({ peer }: AllowEntry): string {
  switch (peer.kind) {
    case 'any':
      return 'any';
    case 'domid':
      return String(peer.domid);
    case 'name':
      return peer.name;
  }
}

export function exportedStatus(
  service: ExportConfig,
  own: { readonly domid: DomId; readonly name: string | undefined },
  shown: readonly ShownService[],
): ServiceStatus {
  return {
    direction: 'exported',
    domid: own.domid,
    domain: own.name ?? null,
    name: service.name ?? null,
    port: service.port ?? null,
    target: formatTarget(service.target),
    allowed: service.allow.map(formatAllow),
    ...socketsOf(shown, own.domid, service),
  };
}
