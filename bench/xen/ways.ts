/** What is compared: ways for bytes from one domain to another. */
import { addressOf, type Pair, PORT, TARGET } from './pairs.js';

export interface Way {
  readonly id: string;
  readonly title: string;
  /** Makes it ready for one measurement; the address for the client. */
  open(pair: Pair): Promise<string>;
  close(pair: Pair): Promise<void>;
}

const xsock: Way = {
  id: 'xsock',
  title: 'xsock',
  open: async ({ client, server }) => `unix:${await client.socket(server, 'load')}`,
  close: async () => {},
};

/** Through netfront and netback; between guests also through domain 0's bridge. */
const tcp: Way = {
  id: 'tcp',
  title: 'TCP over netfront/netback',
  open: async ({ server }) => `tcp:${addressOf(server)}:${PORT}`,
  close: async () => {},
};

const PROXY = 'vchan-socket-proxy';
const PROXIED = '/tmp/vchan-load';

function channelOf({ server }: Pair): string {
  return `/local/domain/${server.domid}/data/vchan-load`;
}

/** Started anew each time: it does not always survive its connections. */
const vchan: Way = {
  id: 'vchan',
  title: PROXY,
  async open(pair) {
    const { client, server } = pair;
    const path = channelOf(pair);
    await server.ask('start', {
      name: PROXY,
      argv: [PROXY, '-m', 'server', String(client.domid), path, TARGET],
    });
    await server.ask('node', { path: `${path}/ring-ref` });
    await client.ask('start', {
      name: PROXY,
      argv: [PROXY, '-m', 'client', String(server.domid), path, PROXIED],
    });
    await client.ask('appears', { path: PROXIED });
    return `unix:${PROXIED}`;
  },
  async close(pair) {
    const { client, server } = pair;
    for (const domain of [client, server]) {
      await domain.ask('signal', { name: PROXY, signal: 'SIGKILL' });
      await domain.ask('ended', { name: PROXY });
    }
    await client.run(['rm', '-f', PROXIED]);
    await server.run(['xenstore-rm', channelOf(pair)]);
  },
};

/** No other domain at all: what any way between domains comes on top of. */
const local: Way = {
  id: 'local',
  title: 'plain UNIX socket in one domain',
  open: async () => `unix:${TARGET}`,
  close: async () => {},
};

export const WAYS: readonly Way[] = [xsock, vchan, tcp, local];
