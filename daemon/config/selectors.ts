/** The peers and services that a rule matches, from scalars that the schema has accepted. */
import { type DomId, type ServicePort, toDomId } from '../ids.js';
import { parseServiceName, type ServiceName, serviceNameFault } from '../text/names.js';
import type { PeerSelector, ServiceSelector } from './config.js';
import type { LocatedScalar } from './located.js';
import type { Report } from './report.js';

const ANY = 'any';

/** A number is a domid, `any` everybody, other text a domain name. */
export function peerSelector(node: LocatedScalar, report: Report): PeerSelector {
  if (node.value === ANY) return { kind: ANY };
  if (typeof node.value === 'string') return { kind: 'name', name: node.value };
  const domid = domidOf(node, report);
  return domid === undefined ? { kind: ANY } : { kind: 'domid', domid };
}

/** A number is a port, `any` every service, other text a service name. */
export function serviceSelector(node: LocatedScalar, report: Report): ServiceSelector {
  if (node.value === ANY) return { kind: ANY };
  if (typeof node.value === 'number') return { kind: 'port', port: portOf(node.value) };
  const name = serviceNameOf(node, report);
  return name === undefined ? { kind: ANY } : { kind: 'name', name };
}

export function domidOf(node: LocatedScalar, report: Report): DomId | undefined {
  const domid = typeof node.value === 'number' ? toDomId(node.value) : undefined;
  if (domid === undefined) report.wrong(node, 'a domid');
  return domid;
}

export function serviceNameOf(node: LocatedScalar, report: Report): ServiceName | undefined {
  const text = String(node.value);
  const fault = serviceNameFault(text);
  if (fault === undefined) return parseServiceName(text);
  report.wrong(node, `a service name: ${fault}`);
  return undefined;
}

/** The schema has checked 1..65535. */
export function portOf(value: number): ServicePort {
  return value as ServicePort;
}

/** Equal for equal selectors, and only for them: `domid 3`, `name web`, `any`. */
export function selectorKey(selector: PeerSelector | ServiceSelector): string {
  switch (selector.kind) {
    case 'any':
      return 'any';
    case 'domid':
      return `domid ${selector.domid}`;
    case 'port':
      return `port ${selector.port}`;
    case 'name':
      return `name ${selector.name}`;
  }
}
