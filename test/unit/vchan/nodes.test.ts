/** A vchan server's nodes in a real xenstored: written for one peer, taken back to the last, no others. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { DomId, EventChannelPort, GrantRef } from '../../../daemon/ids.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { VchanNodes } from '../../../daemon/vchan/nodes.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const PATH = '/local/domain/3/data/vchan/x';

async function setUp(t: Test) {
  const xenstored = new Xenstored();
  const socket = join(temporaryDirectory(t), 's');
  await xenstored.listen(3, socket);
  xenstored.createHome({ domid: 3, name: 'web', uuid: 'uuid' });
  const xenstore = await connectXenstore(unixTransport(socket));
  t.teardown(async () => {
    await xenstore.close();
    await xenstored.close();
  });
  return { xenstore, nodes: new VchanNodes(xenstore, PATH, 3 as DomId, 7 as DomId) };
}

const publish = (nodes: VchanNodes, word: number) =>
  nodes.publish(word as GrantRef, (word + 1) as EventChannelPort);

t.test('all of it is removed, and nothing around it', async t => {
  const { xenstore, nodes } = await setUp(t);
  await xenstore.write('data/vchan/other/ring-ref', '5');
  await publish(nodes, 8);
  await publish(nodes, 10);
  t.equal(await xenstore.read(`${PATH}/ring-ref`), '10');
  t.equal(await xenstore.read(`${PATH}/event-channel`), '11');
  t.same(await xenstore.getPermissions(PATH), [
    { access: 'n', domid: 3 },
    { access: 'r', domid: 7 },
  ]);
  await nodes.withdraw();
  t.same(await xenstore.list('data/vchan'), ['other']);
  t.equal(await xenstore.read('data/vchan/other/ring-ref'), '5');
  await nodes.withdraw();
});

t.test("another program's nodes at the same place stay", async t => {
  const { xenstore, nodes } = await setUp(t);
  await publish(nodes, 8);
  await xenstore.write(`${PATH}/note`, 'mine');
  await xenstore.write(`${PATH}/ring-ref`, '77');
  await nodes.withdraw();
  t.same([...(await xenstore.list(PATH))].sort(), ['note', 'ring-ref']);
  t.equal(await xenstore.read(`${PATH}/ring-ref`), '77', 'another server has written its own');
});

t.test('nodes that another program removed are no error', async t => {
  const { xenstore, nodes } = await setUp(t);
  await nodes.withdraw();
  await publish(nodes, 8);
  await xenstore.remove('data/vchan');
  await nodes.withdraw();
  t.same(await xenstore.list('data'), []);
});
