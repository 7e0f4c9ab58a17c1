/** Which import rule matches a service that a peer announces. Pure. */
import type { ImportConfig } from '../config/config.js';
import { type PeerIdentity, selectsPeer } from './decide.js';

/** A service as it is announced to a peer; at least one of the two is set. */
export interface AnnouncedService {
  readonly name?: string | undefined;
  readonly port?: number | undefined;
}

/** The rule that matches a service; undefined: it does not appear here. */
export type SelectImport = (service: AnnouncedService) => ImportConfig | undefined;

/**
 * The first rule that covers a service of this peer. A peer may announce tens of thousands, and there may be
 * thousands of rules: looked up by key, not searched.
 */
export function importSelector(imports: readonly ImportConfig[], peer: PeerIdentity): SelectImport {
  const rules = imports.filter(rule => rule.vchan === undefined && selectsPeer(rule.peer, peer));
  const places = new Map<string | number | undefined, number>();
  for (const [place, rule] of rules.entries()) {
    const key = keyOf(rule);
    if (!places.has(key)) places.set(key, place);
  }
  const placeOf = (key: string | number | undefined) => places.get(key) ?? rules.length;
  const any = placeOf(undefined);
  return ({ name, port }) =>
    rules[
      Math.min(
        any,
        name === undefined ? any : placeOf(name),
        port === undefined ? any : placeOf(port),
      )
    ];
}

/** A name, a port, or undefined for any service. */
function keyOf({ service }: ImportConfig): string | number | undefined {
  switch (service.kind) {
    case 'any':
      return undefined;
    case 'name':
      return service.name;
    case 'port':
      return service.port;
  }
}
