/** The JSON door over a real UNIX socket: routes, refusals, bounds, and what may be at the path before. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { XsockError } from '../../../daemon/errors.js';
import { requestJson } from '../../../daemon/http/json-client.js';
import { JsonServer, type Route } from '../../../daemon/http/json-server.js';

const REMEDY = 'start it';
const nobody = { identify: () => undefined, keyOf: () => 'all', isPreferred: () => true };

async function scratch(test: Test): Promise<string> {
  const dir = await mkdtemp('/tmp/xsj');
  test.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function serve(test: Test): Promise<string> {
  const path = join(await scratch(test), 'control');
  const routes: readonly Route[] = [
    { method: 'GET', path: '/v1/things/:id', handle: ({ params }) => ({ id: params.id }) },
    { method: 'POST', path: '/v1/echo', handle: ({ body }) => ({ body }) },
    {
      method: 'DELETE',
      path: '/v1/refuse',
      handle: () => {
        throw new XsockError('USAGE', 'not this one');
      },
    },
  ];
  const server = new JsonServer(routes, nobody);
  await server.listen(path, 0o600);
  test.teardown(() => server.close());
  return path;
}

/** A request that the client would not send. */
function raw(socketPath: string, method: string, path: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path }, response => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.once('error', reject);
    request.end(body);
  });
}

t.test('answers what the route returns', async t => {
  const path = await serve(t);
  t.same(await requestJson(path, { method: 'GET', path: '/v1/things/7' }, REMEDY), { id: '7' });
  const body = { name: 'a\u0000b', list: [1, 2] };
  t.same(await requestJson(path, { method: 'POST', path: '/v1/echo', body }, REMEDY), { body });
});

t.test("a refusal arrives in the server's words", async t => {
  const path = await serve(t);
  await t.rejects(requestJson(path, { method: 'DELETE', path: '/v1/refuse' }, REMEDY), {
    code: 'CONTROL_REFUSED',
    message: 'not this one',
  });
  await t.rejects(requestJson(path, { method: 'GET', path: '/v1/nowhere' }, REMEDY), {
    code: 'CONTROL_REFUSED',
  });
});

t.test('wrong methods, broken and oversized bodies get their status', async t => {
  const path = await serve(t);
  t.equal(await raw(path, 'PUT', '/v1/echo', ''), 405);
  t.equal(await raw(path, 'GET', '/v2', ''), 404);
  t.equal(await raw(path, 'POST', '/v1/echo', '{'), 400);
  t.equal(await raw(path, 'POST', '/v1/echo', ' '.repeat(70_000)), 413);
});

t.test('a target that is no path of ours is refused, whatever it is', async t => {
  const path = await serve(t);
  for (const target of [
    '//',
    '//x',
    '/v1//echo',
    'http://x/v1/echo',
    '/v1/echo#a',
    '*',
    '?',
    'x',
    '/%00',
  ]) {
    const status = await raw(path, 'GET', target, '');
    t.ok(status === 400 || status === 404, `${target}: ${status}`);
  }
});

t.test('no server: the error names the path and the remedy', async t => {
  const path = join(await scratch(t), 'control');
  await t.rejects(requestJson(path, { method: 'GET', path: '/' }, REMEDY), {
    code: 'DAEMON_UNREACHABLE',
    message: new RegExp(`${path}.*${REMEDY}`),
  });
});

t.test('a connection ends with its answer', async t => {
  const path = join(await scratch(t), 'control');
  const closed: Promise<unknown>[] = [];
  const server = createServer((request, response) => {
    t.equal(request.headers.connection, 'close');
    response.end('{}');
  });
  server.on('connection', socket => closed.push(once(socket, 'close')));
  await once(server.listen(path), 'listening');
  t.teardown(() => server.close());
  for (let call = 0; call < 3; call++) {
    await requestJson(path, { method: 'GET', path: '/' }, REMEDY);
  }
  await Promise.all(closed);
  t.equal(closed.length, 3, 'none is used again');
});

t.test('the socket of a process that was killed is replaced', async t => {
  const path = join(await scratch(t), 'control');
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
  ]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.ok(existsSync(path), 'it left its socket');
  const server = new JsonServer(
    [{ method: 'GET', path: '/', handle: () => ({ fresh: true }) }],
    nobody,
  );
  await server.listen(path, 0o600);
  t.teardown(() => server.close());
  t.same(await requestJson(path, { method: 'GET', path: '/' }, REMEDY), { fresh: true });
});

t.test('what is alive or no socket is left alone', async t => {
  const path = await serve(t);
  await t.rejects(new JsonServer([], nobody).listen(path, 0o600), { code: 'PATH_TAKEN' });
  t.same(await requestJson(path, { method: 'GET', path: '/v1/things/1' }, REMEDY), { id: '1' });
  const file = join(await scratch(t), 'file');
  writeFileSync(file, 'precious');
  await t.rejects(new JsonServer([], nobody).listen(file, 0o600), { code: 'PATH_TAKEN' });
  t.ok(existsSync(file));
  await t.rejects(new JsonServer([], nobody).listen(`/tmp/${'x'.repeat(120)}`, 0o600), {
    code: 'PATH_TOO_LONG',
  });
});
