/** Ends of streams: half-close in each direction, and nothing lost by a program that closes at once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { installed } from '../support/installed.js';
import { dial, readAll, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

async function one(t: Parameters<typeof Testbed.pair>[0]) {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  const target = testbed.path('target');
  const [low] = await Promise.all([
    testbed.daemon(0),
    testbed.daemon(3, `exports: [{name: svc, target: "unix:${target}", allow: [0]}]\n`),
  ]);
  return { target, low, path: () => socketOf(low, 3, 'svc') };
}

t.test(
  'nc -N gets the whole answer after its own end-of-file',
  {
    skip: installed('nc'),
  },
  async t => {
    const { target, path } = await one(t);
    const body = 'x'.repeat(3_000_000);
    const server = createServer((_request, response) => response.end(body));
    server.listen(target);
    await once(server, 'listening');
    t.teardown(() => server.close());
    const nc = spawn('nc', ['-N', '-U', await path()], { stdio: ['pipe', 'pipe', 'inherit'] });
    nc.stdin.end('GET / HTTP/1.0\r\n\r\n');
    const chunks: Buffer[] = [];
    for await (const chunk of nc.stdout) chunks.push(chunk as Buffer);
    const answer = Buffer.concat(chunks).toString('latin1');
    t.match(answer, /^HTTP\/1\.1 200 OK/);
    t.equal(answer.slice(answer.indexOf('\r\n\r\n') + 4), body);
  },
);

t.test('connect, write 100 bytes, close at once: a thousand times out of a thousand', async t => {
  const { target, path } = await one(t);
  const socketPath = await path();
  const rounds = 1000;
  let whole = 0;
  let ended = 0;
  const all = new Promise<void>(resolve => {
    void serve(t, target, socket => {
      let length = 0;
      socket.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      socket.once('end', () => {
        socket.end();
        whole += length === 100 ? 1 : 0;
        ended += 1;
        if (ended === rounds) resolve();
      });
    });
  });
  const data = Buffer.alloc(100, 'y');
  for (let round = 0; round < rounds; round++) {
    const socket = connect(socketPath);
    socket.on('error', error => t.fail(error.message));
    socket.write(data, () => socket.destroy());
    await once(socket, 'close');
  }
  await all;
  t.equal(whole, rounds);
});

t.test('the service ends first and still reads what comes after', async t => {
  const { target, path } = await one(t);
  const received = new Promise<Buffer>(resolve => {
    void serve(t, target, socket => {
      socket.end('bye');
      void readAll(socket).then(resolve);
    });
  });
  const socket = await dial(await path());
  t.equal(String(await readAll(socket)), 'bye', 'end-of-file arrives while we may still write');
  const late = Buffer.alloc(1_000_000, 'z');
  socket.end(late);
  t.ok((await received).equals(late));
});

t.test('bytes sent before the far side has accepted are kept', async t => {
  const { target, path } = await one(t);
  const socketPath = await path();
  const received = new Promise<Buffer>(resolve => {
    void serve(t, target, socket => void readAll(socket).then(resolve));
  });
  const socket = connect(socketPath);
  socket.end('at once');
  t.equal(String(await received), 'at once');
});
