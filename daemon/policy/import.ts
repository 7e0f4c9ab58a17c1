/** Which import rule takes a service that a peer offers. Pure. */
import type { ImportConfig, ServiceSelector } from '../config/config.js';
import { type PeerIdentity, selectsPeer } from './decide.js';

/** A service as a peer offers it; at least one of the two is set. */
export interface OfferedService {
  readonly name?: string | undefined;
  readonly port?: number | undefined;
}

/** The first rule that covers this service of this peer; undefined: it does not appear here. */
export function selectImport(
  imports: readonly ImportConfig[],
  peer: PeerIdentity,
  service: OfferedService,
): ImportConfig | undefined {
  return imports.find(
    rule =>
      rule.vchan === undefined &&
      selectsPeer(rule.peer, peer) &&
      selectsService(rule.service, service),
  );
}

function selectsService(selector: ServiceSelector, service: OfferedService): boolean {
  switch (selector.kind) {
    case 'any':
      return true;
    case 'name':
      return selector.name === service.name;
    case 'port':
      return selector.port === service.port;
  }
}
