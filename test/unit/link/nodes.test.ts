/** Our nodes for a peer when xenstored refuses them: said so, and written as soon as they can be. */
import { join } from 'node:path';
import t from 'tap';
import type { DomId } from '../../../daemon/ids.js';
import { LinkNodes } from '../../../daemon/link/nodes.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { eventually } from '../../support/eventually.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const INSTANCE = 'a'.repeat(32);

t.test('out of quota, and in again', async t => {
  const xenstored = new Xenstored({ nodes: 4 });
  const socket = join(temporaryDirectory(t), 's');
  await xenstored.listen(3, socket);
  xenstored.createHome({ domid: 3, name: 'a', uuid: 'u' });
  const xenstore = await connectXenstore(unixTransport(socket));
  t.teardown(async () => {
    await xenstore.close();
    await xenstored.close();
  });
  await xenstore.write('data/mine/a', '');
  const failures: string[] = [];
  const nodes = new LinkNodes(xenstore, 3 as DomId, 0 as DomId, error =>
    failures.push(String(error)),
  );
  await t.rejects(nodes.publish({ instance: INSTANCE }), { code: 'XENSTORE', errno: 'ENOSPC' });
  t.match(nodes.problem, /ENOSPC/);
  await xenstore.remove('data/mine');
  t.equal(await eventually(() => xenstore.read('data/xsock/0/instance')), INSTANCE);
  await eventually(async () => {
    if (nodes.problem !== undefined) throw new Error(nodes.problem);
  });
  t.equal(failures.length, 1, 'told once');
  await nodes.close();
  t.same(await xenstore.list('data/xsock'), []);
});
