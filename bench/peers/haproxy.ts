/** HAProxy in TCP mode, one thread. */
import { writeFile } from 'node:fs/promises';
import { descriptorLimit } from '../usage.js';
import { findProgram, type Need, openPair, type Peer } from './peer.js';

const MAX_CONNECTIONS = 12_000;
const RESERVED = 50;
const NEED: Need = { program: 'haproxy', package: 'haproxy' };

/** Connections that it may hold; it insists on two descriptors for each, and some of its own. */
const maxConnections = (): number =>
  Math.min(MAX_CONNECTIONS, Math.floor(descriptorLimit() / 2) - RESERVED);

const configOf = (listen: string, connect: string): string => `global
  nbthread 1
  maxconn ${maxConnections()}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind unix@${listen}
  server target unix@${connect}
`;

export const haproxy: Peer = {
  id: 'haproxy',
  title: 'HAProxy',
  needs: [NEED],
  version: ['haproxy', '-v'],
  descriptors: 2,
  open: (directory, placement) =>
    openPair(directory, placement, async (listen, connect, prefix) => {
      await writeFile(`${prefix}.cfg`, configOf(listen, connect));
      return [(await findProgram(NEED)) ?? NEED.program, '-db', '-f', `${prefix}.cfg`];
    }),
};
