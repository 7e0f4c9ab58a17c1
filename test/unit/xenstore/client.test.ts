/** The xenstore client: reconnects, keeps the rules, bounds what is under way. Wire codec included. */
import type { Socket } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import {
  encodeMessage,
  joinFields,
  MAX_PAYLOAD,
  type Message,
  MessageDecoder,
  MessageType,
} from '../../../daemon/xenstore/wire.js';
import { fakeXenstored, fast, refuse, reply } from '../../support/fake-xenstored.js';

t.test('messages survive any fragmentation', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(22), fc.nat(), fc.uint8Array({ maxLength: 300 })), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (list, cuts) => {
        const messages = list.map(([type, requestId, payload]) => ({
          type,
          requestId,
          transaction: 0,
          payload: Buffer.from(payload),
        }));
        const bytes = Buffer.concat(messages.map(encodeMessage));
        const decoder = new MessageDecoder();
        const decoded: Message[] = [];
        for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
          const end = offset + (cuts[turn % cuts.length] ?? 1);
          decoded.push(...decoder.push(bytes.subarray(offset, end)));
          offset = end;
        }
        return JSON.stringify(decoded) === JSON.stringify(messages);
      },
    ),
  );
});

t.test('an oversized message is refused on both sides', async t => {
  const payload = Buffer.alloc(MAX_PAYLOAD + 1);
  t.throws(() => encodeMessage({ type: 1, requestId: 1, transaction: 0, payload }), {
    message: /4097 bytes/,
  });
  const header = Buffer.alloc(16);
  header.writeUInt32LE(MAX_PAYLOAD + 1, 12);
  t.throws(() => new MessageDecoder().push(header), { message: /4097 bytes/ });
});

t.test('a request that breaks the rules is not sent', async t => {
  let requests = 0;
  const { path } = await fakeXenstored(t, () => {
    requests += 1;
  });
  const client = await connectXenstore(unixTransport(path), fast);
  t.teardown(() => client.close());
  for (const bad of ['data/', 'a//b', '', 'a b', '@introduceDomain', 'x'.repeat(3000)]) {
    await t.rejects(client.read(bad), { code: 'XENSTORE_INVALID' }, bad.slice(0, 20));
  }
  await t.rejects(client.write('a', 'v'.repeat(2048)), { code: 'XENSTORE_INVALID' });
  await t.rejects(
    client.watch('@nonsense', () => {}),
    { code: 'XENSTORE_INVALID' },
  );
  t.equal(requests, 0);
});

/** Reads 100 nodes at once; the values, and how many requests were ever under way together. */
async function readMany(t: Test, most: number | undefined) {
  const held: [Message, Socket][] = [];
  let together = 0;
  const { path } = await fakeXenstored(t, (message, socket) => {
    held.push([message, socket]);
    together = Math.max(together, held.length);
    setImmediate(() => {
      for (const [waiting, to] of held.splice(0)) reply(to, waiting, waiting.payload);
    });
  });
  const transport = unixTransport(path);
  const client = await connectXenstore(
    most === undefined ? transport : { ...transport, maxOutstanding: most },
    fast,
  );
  t.teardown(() => client.close());
  const values = await Promise.all(Array.from({ length: 100 }, (_, i) => client.read(`n${i}`)));
  return { values, together };
}

t.test('at most 16 requests are outstanding, or as many as the transport allows', async t => {
  const expected = Array.from({ length: 100 }, (_, i) => `n${i}\0`);
  const socket = await readMany(t, undefined);
  t.same(socket.values, expected);
  t.ok(socket.together > 1 && socket.together <= 16, `${socket.together}`);
  t.same(await readMany(t, 1), { values: expected, together: 1 }, 'a device takes one');
});

t.test('malformed data from the server ends the connection', async t => {
  const { path } = await fakeXenstored(t, (message, socket) => {
    reply(socket, { ...message, requestId: message.requestId + 5 }, Buffer.alloc(0));
  });
  const client = await connectXenstore(unixTransport(path), { reconnectDelay: () => 60_000 });
  t.teardown(() => client.close());
  await t.rejects(client.read('n'), { code: 'XENSTORE_GONE' });
  await t.rejects(client.read('n'), { code: 'XENSTORE_GONE' }, 'at once while there is none');
});

t.test('a transaction is retried a bounded number of times', async t => {
  let ends = 0;
  const { path } = await fakeXenstored(t, (message, socket) => {
    if (message.type === MessageType.transactionStart) reply(socket, message, joinFields(['9']));
    else {
      ends += 1;
      refuse(socket, message, 'EAGAIN');
    }
  });
  const client = await connectXenstore(unixTransport(path), fast);
  t.teardown(() => client.close());
  await t.rejects(
    client.transaction(async () => {}),
    { code: 'XENSTORE', errno: 'EAGAIN' },
  );
  t.ok(ends > 5 && ends < 50, `${ends}`);
});

t.test('no server', async t => {
  await t.rejects(connectXenstore(unixTransport('/nowhere/xs')), {
    code: 'XENSTORE_GONE',
    message: /\/nowhere\/xs/,
  });
});
