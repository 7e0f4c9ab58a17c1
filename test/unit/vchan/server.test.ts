/** A vchan server whose nodes get lost: it writes them again, and leaves the channel alone. */
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { VchanOfferAddress, VchanPlane } from '../../../daemon/dataplane/vchan.js';
import type { DomId, EventChannelPort, GrantRef } from '../../../daemon/ids.js';
import { PeerLogs } from '../../../daemon/log/peer-logs.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { VchanServer } from '../../../daemon/vchan/server.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { eventually } from '../../support/eventually.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const RING_REF = '/local/domain/3/data/vchan/x/ring-ref';
const source = { file: 'test.yaml', line: 1, column: 1 };

async function setUp(t: Test) {
  const xenstored = new Xenstored();
  const socket = join(temporaryDirectory(t), 's');
  await xenstored.listen(3, socket);
  xenstored.createHome({ domid: 3, name: 'web', uuid: 'uuid' });
  const xenstore = await connectXenstore(unixTransport(socket));
  const terminated: number[] = [];
  let served = 0;
  const plane = {
    serve: async (): Promise<VchanOfferAddress> => {
      served += 1;
      return {
        relay: served,
        ringRef: served as GrantRef,
        eventChannel: served as EventChannelPort,
      };
    },
    terminate: (relay: number) => terminated.push(relay),
  } as unknown as VchanPlane;
  const logs = new PeerLogs(pino({ level: 'silent' }));
  const server = new VchanServer(
    { plane, xenstore, self: 3 as DomId, logs },
    {
      name: undefined,
      port: undefined,
      target: { kind: 'unix', path: '/nowhere' },
      allow: [],
      self: false,
      vchan: [],
      source,
    },
    { peer: 0 as DomId, path: 'data/vchan/x', source },
  );
  t.teardown(async () => {
    await server.stop();
    logs.close();
    await xenstore.close();
    await xenstored.close();
  });
  server.start();
  const published = (value: string) =>
    eventually(async () => {
      const now = await xenstore.read(RING_REF);
      if (now !== value) throw new Error(`it says ${now}`);
    });
  return { xenstored, xenstore, server, terminated, published };
}

t.test('the nodes are written again, the same; the channel is not ended', async t => {
  const { xenstore, server, terminated, published } = await setUp(t);
  await published('1');
  await xenstore.remove('data/vchan');
  server.publishAgain();
  await published('1');
  t.same(terminated, []);
});

t.test('nodes that cannot be written again are, once they can be', async t => {
  const { xenstored, server, terminated, published } = await setUp(t);
  await published('1');
  // Not even `data` is there, which only domain 0 may make.
  xenstored.removeHome(3);
  server.publishAgain();
  xenstored.createHome({ domid: 3, name: 'web', uuid: 'uuid' });
  await published('1');
  t.same(terminated, []);
});

t.test('a stream that has ended is followed by a new offer', async t => {
  const { server, published } = await setUp(t);
  await published('1');
  server.handle({
    kind: 'ended',
    relay: 1,
    reason: 'closed',
    detail: '',
    opened: true,
    bytesSent: 0,
    bytesReceived: 0,
  });
  await published('2');
});
