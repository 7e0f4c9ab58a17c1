/** Warnings after a start: the daemon serves, but perhaps not as its operator expects. */
import type { Config, ExportConfig } from '../config/config.js';
import { formatWarning } from '../config/problems.js';
import { absentNames, type KnownNames, unknowableNames } from '../config/unknown-names.js';
import type { DaemonStatus } from '../control/model.js';
import type { LineLog } from '../log/peer-logs.js';

/** Exports in one line. */
const NAMED_MAX = 20;

export function knownNames({
  domid,
  name,
  peers,
}: Pick<DaemonStatus, 'domid' | 'name' | 'peers'>): KnownNames {
  return {
    domid,
    own: name ?? undefined,
    peers: peers.flatMap(peer => (peer.self || peer.name === null ? [] : [peer.name])),
  };
}

/** `uid`: the effective one of this process. */
export function warnOfStart(
  config: Config,
  status: Pick<DaemonStatus, 'domid' | 'name' | 'peers'>,
  log: LineLog,
  uid: number | undefined = process.geteuid?.(),
): void {
  const known = knownNames(status);
  for (const warning of unknowableNames(config, known)) log.warn(formatWarning(warning));
  // No warning: in domain 0 the guests may start later.
  for (const warning of absentNames(config, known)) log.info(formatWarning(warning));
  if (uid === 0) warnOfRoot(config, log);
}

/** A service that asks the kernel who its client is gets the daemon's user, for every peer that is allowed. */
function warnOfRoot({ exports }: Config, log: LineLog): void {
  const names = exports.filter(({ target }) => target.kind === 'unix').map(nameOf);
  if (names.length === 0) return;
  log.warn(
    { exports: names.slice(0, NAMED_MAX), count: names.length },
    'xsockd runs as root, and these exports lead to UNIX sockets: a service that trusts SO_PEERCRED ' +
      '(MariaDB unix_socket, PostgreSQL peer, D-Bus EXTERNAL, ssh-agent) takes every domain that is ' +
      'allowed for root; run xsockd as a user of its own, as the shipped unit does, or have the ' +
      'service ask for a password',
  );
}

function nameOf({ name, port }: ExportConfig): string {
  return name ?? `port ${port}`;
}
