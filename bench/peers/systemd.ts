/** systemd-socket-proxyd, as a socket unit would start it. */
import { connect } from 'node:net';
import { until } from '../processes.js';
import { openPair, type Peer } from './peer.js';

const PROXYD = '/lib/systemd/systemd-socket-proxyd';

const PROBE_MS = 2000;

/** Resolves when a connection has gone through both and was closed, for nobody is at the target yet. */
function closedByBoth(front: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(front);
    socket.setTimeout(PROBE_MS, () => socket.destroy(new Error(`${front} does not answer`)));
    socket.on('error', reject).on('close', () => resolve());
    socket.resume();
  });
}

export const systemd: Peer = {
  id: 'systemd',
  title: 'systemd-socket-proxyd',
  needs: [
    { program: 'systemd-socket-proxyd', package: 'systemd', folders: ['/lib/systemd'] },
    { program: 'systemd-socket-activate', package: 'systemd' },
  ],
  version: [PROXYD, '--version'],
  descriptors: 2,
  async open(directory, placement) {
    const route = await openPair(directory, placement, async (listen, target) => [
      ...['systemd-socket-activate', '-l', listen],
      ...[PROXYD, '--connections-max=40000', target],
    ]);
    try {
      // The socket's path is there before anybody listens, and the first connection starts the proxies.
      await until('both proxies run', [], () => closedByBoth(route.dial));
    } catch (error) {
      await route.stop();
      throw error;
    }
    return route;
  },
};
