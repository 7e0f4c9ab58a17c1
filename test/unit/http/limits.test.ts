/** What one caller can make a JSON server hold, and that others do not notice. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Callers, JsonServer, type Route } from '../../../daemon/http/json-server.js';
import { SERVER_LIMITS, type ServerLimits } from '../../../daemon/http/limits.js';
import { eventually } from '../../support/eventually.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const CALLERS = { identify: () => undefined, keyOf: () => 'one', isPreferred: () => true };

async function serve(
  t: Test,
  routes: readonly Route[],
  limits: Partial<ServerLimits> = {},
  callers: Callers<undefined> = CALLERS,
): Promise<string> {
  const path = join(temporaryDirectory(t), 'c');
  const server = new JsonServer(routes, callers, { ...SERVER_LIMITS, ...limits });
  await server.listen(path, 0o600);
  t.teardown(() => server.close());
  return path;
}

const health: Route = { method: 'GET', path: '/health', handle: () => ({ status: 'ok' }) };

interface Answer {
  readonly status: number;
  readonly text: string;
}

function get(
  socketPath: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    httpRequest({ socketPath, path, headers, agent: false }, response => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.once('error', reject);
    })
      .once('error', reject)
      .end();
  });
}

async function dial(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** All that the server says until it closes. */
async function untilClosed(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += String(chunk);
  });
  await once(socket, 'close');
  return text;
}

t.test('a long list arrives whole, and others are answered meanwhile', async t => {
  const list = Array.from({ length: 40_000 }, (_, index) => ({ index, name: 'x'.repeat(50) }));
  const path = await serve(t, [health, { method: 'GET', path: '/list', handle: () => list }]);
  const order: string[] = [];
  const asked = get(path, '/list').then(answer => {
    order.push('list');
    return answer;
  });
  await get(path, '/health');
  order.push('health');
  t.same(JSON.parse((await asked).text), list);
  t.same(order, ['health', 'list']);
});

t.test('a reader that goes away in the middle of a list', async t => {
  const list = Array.from({ length: 40_000 }, () => 'x'.repeat(100));
  const path = await serve(t, [health, { method: 'GET', path: '/list', handle: () => list }], {
    inFlight: 1,
    waiting: 1,
  });
  const socket = await dial(path);
  socket.write('GET /list HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  socket.destroy();
  t.equal((await get(path, '/list')).status, 200, 'its turn has been given back');
});

t.test('requests at once: some are processed, some wait, the rest is refused', async t => {
  let release: () => void = () => {};
  const held = new Promise<void>(resolve => {
    release = resolve;
  });
  let running = 0;
  let most = 0;
  const slow: Route = {
    method: 'GET',
    path: '/slow',
    handle: async () => {
      running += 1;
      most = Math.max(most, running);
      await held;
      running -= 1;
      return {};
    },
  };
  const path = await serve(t, [health, slow], { inFlight: 2, waiting: 3 });
  const statuses: number[] = [];
  const all = Promise.all(
    Array.from({ length: 10 }, () =>
      get(path, '/slow').then(({ status }) => void statuses.push(status)),
    ),
  );
  await eventually(async () => {
    if (statuses.length < 5) throw new Error(`${statuses.length} refused`);
  });
  t.same(statuses, [429, 429, 429, 429, 429]);
  t.equal((await get(path, '/health')).status, 200, 'other routes are not affected');
  release();
  await all;
  t.equal(most, 2);
  t.same(statuses.slice(5), [200, 200, 200, 200, 200]);
});

t.test('connections of one caller', async t => {
  const path = await serve(t, [health], { connectionsPerCaller: 3 });
  const kept = [await dial(path), await dial(path), await dial(path)];
  const further = await dial(path);
  t.equal(await untilClosed(further), '', 'one more is closed at once');
  for (const socket of kept) socket.destroy();
  await eventually(async () => {
    t.equal((await get(path, '/health')).status, 200);
  });
});

t.test('connections of many callers do not lock out a preferred one', async t => {
  let preferred = false;
  const path = await serve(
    t,
    [health],
    { connections: 3 },
    { ...CALLERS, keyOf: () => randomUUID(), isPreferred: () => preferred },
  );
  const kept = [await dial(path), await dial(path), await dial(path)];
  t.equal(await untilClosed(await dial(path)), '', 'one more of others is closed at once');
  preferred = true;
  t.equal((await get(path, '/health')).status, 200);
  for (const socket of kept) socket.destroy();
});

t.test('headers that are too long, missing or malformed', async t => {
  const path = await serve(t, [health], { headersTimeout: 200, requestTimeout: 400 });
  t.equal((await get(path, '/health', { x: 'y'.repeat(9000) })).status, 431);
  const silent = await dial(path);
  const slow = await dial(path);
  slow.write('GET /health HTTP/1.1\r\nHost');
  const odd = await dial(path);
  odd.write('\0\u001b[2J /x\r\n\r\n');
  const [, late, refused] = await Promise.all([silent, slow, odd].map(untilClosed));
  t.match(late, /^HTTP\/1.1 408/);
  t.match(refused, /^HTTP\/1.1 400/);
});

t.test('a body that does not come', async t => {
  const path = await serve(t, [{ method: 'POST', path: '/p', handle: () => ({}) }], {
    headersTimeout: 200,
    requestTimeout: 400,
  });
  const socket = await dial(path);
  socket.write('POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123');
  t.match(await untilClosed(socket), /^HTTP\/1.1 4\d\d/);
});
