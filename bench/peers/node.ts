/** A plain proxy in Node: what JavaScript in the path costs. */
import { fileURLToPath } from 'node:url';
import { openPair, type Peer } from './peer.js';

const PROXY = fileURLToPath(new URL('node-proxy.js', import.meta.url));

export const node: Peer = {
  id: 'node',
  title: 'Node proxy',
  needs: [],
  version: [process.execPath, '--version'],
  descriptors: 2,
  open: (directory, placement) =>
    openPair(directory, placement, async (listen, connect) => [
      process.execPath,
      PROXY,
      listen,
      connect,
    ]),
};
