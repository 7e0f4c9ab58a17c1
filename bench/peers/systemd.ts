/** systemd-socket-proxyd, as a socket unit would start it. */
import { openPair, type Peer } from './peer.js';

const PROXYD = '/lib/systemd/systemd-socket-proxyd';

export const systemd: Peer = {
  id: 'systemd',
  title: 'systemd-socket-proxyd',
  needs: [
    { program: 'systemd-socket-proxyd', package: 'systemd', folders: ['/lib/systemd'] },
    { program: 'systemd-socket-activate', package: 'systemd' },
  ],
  version: [PROXYD, '--version'],
  descriptors: 2,
  open: (directory, placement) =>
    openPair(directory, placement, async (listen, connect) => [
      ...['systemd-socket-activate', '-l', listen],
      ...[PROXYD, '--connections-max=40000', connect],
    ]),
};
