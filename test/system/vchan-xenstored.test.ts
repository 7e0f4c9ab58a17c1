/** Raw vchan when the connection to xenstored is lost and comes back: streams run on, the nodes are there. */
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import type { Socket } from 'node:net';
import t from 'tap';
import { connectXenstore } from '../../daemon/xenstore/client.js';
import { unixTransport } from '../../daemon/xenstore/transport.js';
import { eventually } from '../support/eventually.js';
import { proxiedDomain } from '../support/proxied-domain.js';
import { dial, echo, serve } from '../support/streams.js';
import { Testbed } from '../support/testbed.js';

const PATH = '/local/domain/3/data/vchan/x';

t.test('a stream lives through it, on both ends, and nodes lost meanwhile come back', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('svc'), echo);
  const [server, client] = [await proxiedDomain(t, testbed, 3), await proxiedDomain(t, testbed, 0)];
  const target = `"unix:${testbed.path('svc')}"`;
  const high = await testbed.daemon(
    3,
    `exports: [{name: x, target: ${target}, vchan: [{peer: 0, path: data/vchan/x}]}]\n`,
    {},
    { loopback: server.directory },
  );
  const low = await testbed.daemon(
    0,
    'imports: [{peer: 3, service: x, vchan: data/vchan/x}]\n',
    {},
    { loopback: client.directory },
  );
  const socketPath = `${low.run}/vchan/3/x`;
  await eventually(() => access(socketPath));
  const answers = async (stream: Socket, question: string): Promise<void> => {
    const answer = once(stream, 'data');
    stream.write(question);
    t.equal(String((await answer)[0]), question);
  };
  const stream = await dial(socketPath);
  await answers(stream, 'before');
  const xenstore = await connectXenstore(unixTransport(testbed.xenstored(3)));
  t.teardown(() => xenstore.close());
  const ringRef = await xenstore.read(`${PATH}/ring-ref`);

  const backs = (text: string) => text.split('xenstored is back').length - 1;
  for (const [daemon, way] of [
    [low, client],
    [high, server],
  ] as const) {
    way.cut();
    await eventually(async () => {
      if (backs(daemon.log()) === 0) throw new Error('not back yet');
    });
    await answers(stream, `after ${daemon.domid}`);
  }
  await eventually(async () => {
    if ((await xenstore.read(`${PATH}/ring-ref`)) !== ringRef) throw new Error('other numbers');
  });
  stream.destroy();
  const next = await dial(socketPath);
  await answers(next, 'the next');
  next.destroy();
});
