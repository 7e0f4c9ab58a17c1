/** A raw stream when the server's nodes vanish: with the server's domain it ends, in an empty xenstored it does not. */

import { pino } from 'pino';
import t from 'tap';
import type { VchanPlane } from '../../../daemon/dataplane/vchan.js';
import { XsockError } from '../../../daemon/errors.js';
import type { DomId } from '../../../daemon/ids.js';
import { PeerLogs } from '../../../daemon/log/peer-logs.js';
import { VchanClient } from '../../../daemon/vchan/client.js';
import type { Watch, Xenstore } from '../../../daemon/xenstore/xenstore.js';
import { eventually } from '../../support/eventually.js';

const LISTENER = 1;
const RELAY = 7;

async function setUp() {
  const state = { there: true, intact: true, fire: (): void => {} };
  const terminated: number[] = [];
  const calls: string[] = [];
  const xenstore = {
    read: async (): Promise<string> => {
      if (!state.there) throw new XsockError('XENSTORE', 'ENOENT', { errno: 'ENOENT' });
      return '5';
    },
    watch: async (_path: string, onEvent: () => void): Promise<Watch> => {
      state.fire = onEvent;
      return { problem: undefined, close: async () => {} };
    },
  } as unknown as Xenstore;
  const plane = {
    connect: async () => {
      calls.push('connect');
      return RELAY;
    },
    terminate: (relay: number) => terminated.push(relay),
    refuse: () => calls.push('refuse'),
  } as unknown as VchanPlane;
  const client = new VchanClient(
    {
      plane,
      xenstore,
      logs: new PeerLogs(pino({ level: 'silent' })),
      markerPresent: async () => state.intact,
    },
    { peer: 3 as DomId, vchan: 'data/x', path: '/nowhere', mode: 0o660, uid: -1, gid: -1 },
    LISTENER,
  );
  await client.start();
  client.handle({ kind: 'connection-pending', listener: LISTENER });
  await eventually(async () => {
    if (!calls.includes('connect')) throw new Error('not led yet');
  });
  /** A look has ended. */
  const look = async (): Promise<void> => {
    state.fire();
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  };
  return { state, look, terminated };
}

t.test('the nodes vanish with their domain: the stream ends', async t => {
  const { state, look, terminated } = await setUp();
  await look();
  t.same(terminated, []);
  state.there = false;
  await look();
  t.same(terminated, [RELAY]);
});

t.test('xenstored has come back empty: the stream runs on until they vanish once more', async t => {
  const { state, look, terminated } = await setUp();
  Object.assign(state, { there: false, intact: false });
  await look();
  t.same(terminated, [], 'they are only forgotten');
  state.there = true;
  await look();
  state.there = false;
  await look();
  t.same(terminated, [RELAY], 'the server had published again');
});
