/** Compiles the policy into the table in which the data plane looks up an OPEN. Pure; built per peer. */
import type { ExportConfig } from '../config/config.js';
import type { ExportEntry } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import { decide, type PeerIdentity } from './decide.js';

/**
 * One entry for each export, denied ones included (so that a refusal can tell *denied* from *no such
 * service*). For the own domain `self` decides, not the allow-list: its programs would otherwise reach a
 * target with the daemon's rights where the target's own mode denies them.
 */
export function compileExports(
  exports: readonly ExportConfig[],
  peer: PeerIdentity,
  ownDomid: DomId,
): readonly ExportEntry[] {
  return exports.map(service => ({
    name: service.name,
    port: service.port,
    allowed:
      peer.domid === ownDomid ? service.self : decide({ peer, export: service }).kind === 'allow',
    target: service.target,
  }));
}
