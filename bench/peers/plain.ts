/** The limit: the client is connected to the server's own socket. */
import { join } from 'node:path';
import type { Peer } from './peer.js';

export const plain: Peer = {
  id: 'plain',
  title: 'plain socket',
  needs: [],
  version: null,
  descriptors: 0,
  async open(directory) {
    const path = join(directory, 'target');
    return {
      dial: path,
      listen: path,
      pids: [],
      ended: () => false,
      tails: () => '',
      stop: async () => undefined,
    };
  },
};
