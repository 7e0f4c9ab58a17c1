/** SIGUSR1: what `xsock status` shows, into the log; for when the control socket does not answer or cannot be used. */
import type { Logger } from 'pino';
import type { DaemonStatus } from '../control/model.js';

/** One line for the daemon and one for each peer. */
export async function logStatus(ask: () => Promise<DaemonStatus>, log: Logger): Promise<void> {
  try {
    const { peers, ...daemon } = await ask();
    log.info({ ...daemon, peers: peers.length }, 'status');
    for (const { domid, ...link } of peers) log.info({ peer: domid, ...link }, 'status of a link');
  } catch (err) {
    log.error({ err }, 'failed to determine the status');
  }
}
