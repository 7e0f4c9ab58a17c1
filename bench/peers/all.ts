/** Every route that is measured, the limit first. */
import { haproxy } from './haproxy.js';
import { nginx } from './nginx.js';
import { node } from './node.js';
import type { Peer } from './peer.js';
import { findProgram } from './peer.js';
import { plain } from './plain.js';
import { socatTcp, socatUnix } from './socat.js';
import { systemd } from './systemd.js';
import { xsock } from './xsock.js';

export const PEERS: readonly Peer[] = [
  plain,
  xsock,
  systemd,
  haproxy,
  nginx,
  socatUnix,
  socatTcp,
  node,
];

export interface Skipped {
  readonly peer: Peer;
  readonly reason: string;
}

/** Those whose programs are installed, and why not the others. */
export async function available(
  peers: readonly Peer[],
): Promise<{ present: Peer[]; skipped: Skipped[] }> {
  const present: Peer[] = [];
  const skipped: Skipped[] = [];
  for (const peer of peers) {
    const missing: string[] = [];
    for (const need of peer.needs) {
      if ((await findProgram(need)) === undefined) {
        missing.push(`${need.program} is not installed (apt-get install ${need.package})`);
      }
    }
    if (missing.length === 0) present.push(peer);
    else skipped.push({ peer, reason: missing.join('; ') });
  }
  return { present, skipped };
}
