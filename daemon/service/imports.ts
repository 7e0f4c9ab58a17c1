/** Which of the services that a peer announces appear here, and with which rights. Pure. */
import type { ImportConfig, TcpAddress } from '../config/config.js';
import type { PeerIdentity } from '../policy/decide.js';
import { type AnnouncedService, importSelector } from '../policy/import.js';
import type { Accounts } from './accounts.js';

/** A service of a peer as it shall appear in the view. */
export interface Service extends AnnouncedService {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly tcp: TcpAddress | undefined;
}

export function selectServices(
  imports: readonly ImportConfig[],
  accounts: Accounts,
  peer: PeerIdentity,
  announced: readonly AnnouncedService[],
): readonly Service[] {
  const select = importSelector(imports, peer);
  return announced.flatMap(({ name, port }) => {
    const rule = select({ name, port });
    if (rule === undefined) {
      return [];
    }
    const { uid, gid } = accounts.get(rule) ?? { uid: -1, gid: -1 };
    return [{ name, port, uid, gid, mode: rule.mode, tcp: rule.tcp }];
  });
}
