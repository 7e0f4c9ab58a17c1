/** A target that listens on TCP loses nothing of what a program wrote before it closed. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { readAll } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test('it spoke first, and the program closed without reading', async t => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { low, high } = await Testbed.pair(
    t,
    '',
    `exports: [{name: svc, target: "tcp:127.0.0.1:${port}", allow: [0]}]\n`,
  );
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const program = connect(await socketOf(low, 3, 'svc'));
  const [target] = await accepted;
  t.teardown(() => target.destroy());
  target.write(Buffer.alloc(4_000_000, 'g'));
  await eventually(async () => {
    const [stream] = await high.control.streams();
    if (stream === undefined || stream.bytesSent === 0) throw new Error('nothing was sent yet');
  });
  const sent = Buffer.alloc(400_000, 'z');
  program.write(sent, () => program.destroy());
  await once(program, 'close');
  await eventually(async () => {
    if ((await high.control.streams()).length > 0) throw new Error('the stream is not over');
  });
  const reading = readAll(target);
  target.resume();
  const got = await reading;
  t.equal(got.length, sent.length);
  t.ok(got.equals(sent));
});
