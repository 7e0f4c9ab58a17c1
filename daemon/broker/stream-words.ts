/** Describes why streams are refused and how they end, for readers who see only one end of them. Pure. */
import type { RefuseReason, StreamDirection, StreamEndReason } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';

/** `peer` undefined: the link is no longer known. */
function domainOf(peer: DomId | undefined): string {
  return peer === undefined ? 'the other domain' : `domain ${peer}`;
}

const OUTGOING: Readonly<Record<RefuseReason, (domain: string) => string>> = {
  'no-such-service': domain => `no such service in ${domain}`,
  denied: domain => `${domain} does not allow it to this domain`,
  'target-unavailable': domain => `target unavailable in ${domain}`,
  'too-many-streams': domain => `too many streams with ${domain}, or no memory for more`,
  'shutting-down': domain => `the link with ${domain} is being closed`,
  'link-down': domain => `no link with ${domain}`,
};

const INCOMING: Readonly<Record<RefuseReason, (domain: string) => string>> = {
  'no-such-service': domain => `${domain} asked for a service that is not exported`,
  denied: domain => `not allowed to ${domain}`,
  'target-unavailable': () => 'target unavailable',
  'too-many-streams': domain => `too many streams with ${domain}, or no memory for more`,
  'shutting-down': domain => `the link with ${domain} is being closed`,
  'link-down': domain => `no link with ${domain}`,
};

export function describeRefusal(
  direction: StreamDirection,
  reason: RefuseReason,
  peer: DomId | undefined,
): string {
  return (direction === 'outgoing' ? OUTGOING : INCOMING)[reason](domainOf(peer));
}

const ENDS: Readonly<Record<StreamEndReason, (domain: string) => string>> = {
  closed: () => 'ended in order',
  'local-reset': () => 'the local program closed with bytes unsent or unread',
  'peer-reset': domain => `reset by ${domain}`,
  'fd-passing': () => 'file descriptors were passed, which cannot cross domains',
  'link-down': domain => `the link with ${domain} went down`,
  terminated: () => 'reset by an operator, or at the end of the drain time',
};

export function describeEnd(reason: StreamEndReason, peer: DomId | undefined): string {
  return ENDS[reason](domainOf(peer));
}
