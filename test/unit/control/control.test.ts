/** The control door: every route over a real socket, by the client and by plain HTTP. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ControlClient } from '../../../daemon/control/client.js';
import { serveControl } from '../../../daemon/control/server.js';
import { isXsockError, XsockError } from '../../../daemon/errors.js';
import { FakeControlModel } from '../../support/fake-control-model.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const ownUser = () => ({
  uid: process.getuid?.() ?? 0,
  groups: { reader: undefined, admin: undefined },
});

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

function call(socketPath: string, method: string, path: string, body = ''): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function serve(t: Test) {
  const run = temporaryDirectory(t);
  const model = new FakeControlModel();
  const server = await serveControl(run, model, ownUser);
  t.teardown(() => server.close());
  return { run, model, socket: join(run, 'control'), client: new ControlClient(run) };
}

t.test('the client gets what the model says', async t => {
  const { client, model } = await serve(t);
  t.strictSame(await client.status(), await model.status());
  t.strictSame(await client.services(), await model.services());
  t.strictSame(await client.streams(), await model.streams());
  model.onReload = async () => ({ changes: ['exports: 1 added'], warnings: ['w'] });
  t.strictSame(await client.reload(), { changes: ['exports: 1 added'], warnings: ['w'] });
  t.equal(await client.resetStream(1, 5), true);
  t.strictSame(model.resets, [[1, 5]]);
  model.end = { end: 'cut', reason: 'reset by domain 1' };
  t.strictSame(await client.ownStreamEnd(13), model.end);
  t.strictSame(model.ends, [[process.pid, 13]], 'of the process that asks');
});

t.test('refusals come with code and message', async t => {
  const { client, model } = await serve(t);
  await t.rejects(client.resetStream(1, 6), {
    code: 'CONTROL_REFUSED',
    message: 'there is no stream 6 with domain 1',
  });
  model.onReload = async () => {
    throw new XsockError('CONFIG_INVALID', '2 problems in the configuration:\na\nb');
  };
  await t.rejects(client.reload(), { code: 'CONTROL_REFUSED', message: /2 problems.*\na\nb/ });
});

t.test('plain HTTP', async t => {
  const { socket, model } = await serve(t);
  t.strictSame(await call(socket, 'GET', '/v1/health'), { status: 200, body: { status: 'ok' } });
  t.match(await call(socket, 'GET', '/v1/nothing'), { status: 404, body: { code: 'NOT_FOUND' } });
  t.match(await call(socket, 'GET', '/v1/health?x=1'), { status: 200 });
  t.match(await call(socket, 'POST', '/v1/status'), { status: 405, body: { code: 'METHOD' } });
  t.match(await call(socket, 'POST', '/v1/reload', 'x'.repeat(100_000)), {
    status: 413,
    body: { code: 'TOO_LARGE' },
  });
  for (const path of ['-1/5', '01/5', '40000/5', '1/x', '1/4294967296', '1/-5']) {
    t.match(
      await call(socket, 'DELETE', `/v1/streams/${path}`),
      { status: 409, body: { code: 'CONTROL_REFUSED' } },
      path,
    );
  }
  t.strictSame(model.resets, [], 'the model was not troubled with these');
  model.onReload = async () => {
    throw new XsockError('CONFIG_INVALID', 'no');
  };
  t.strictSame(await call(socket, 'POST', '/v1/reload'), {
    status: 409,
    body: { code: 'CONFIG_INVALID', message: 'no' },
  });
});

const noCurl =
  spawnSync('curl', ['--version']).error === undefined ? false : 'curl is not installed';

t.test('curl is a client', { skip: noCurl }, async t => {
  const { socket } = await serve(t);
  const curl = spawn('curl', ['-s', '--unix-socket', socket, 'http://localhost/v1/health']);
  let text = '';
  for await (const chunk of curl.stdout) text += String(chunk);
  t.equal(text, '{"status":"ok"}\n');
});

t.test('the socket', async t => {
  t.test('lets everybody connect: who asks what is decided by credentials', async t => {
    const { socket } = await serve(t);
    t.equal(statSync(socket).mode & 0o777, 0o666);
  });

  t.test('goes with the server', async t => {
    const run = temporaryDirectory(t);
    const server = await serveControl(run, new FakeControlModel(), ownUser);
    await server.close();
    t.notOk(existsSync(join(run, 'control')));
  });

  t.test('of a living daemon is not taken', async t => {
    const { run, client } = await serve(t);
    await t.rejects(serveControl(run, new FakeControlModel(), ownUser), { code: 'PATH_TAKEN' });
    t.match(await client.status(), { pid: 4321 });
  });

  t.test('of a crashed daemon is replaced', async t => {
    const run = temporaryDirectory(t);
    // A process that binds and ends without tidying up.
    const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script, join(run, 'control')]);
    t.ok(existsSync(join(run, 'control')), 'it left a socket');
    const server = await serveControl(run, new FakeControlModel(), ownUser);
    t.match(await new ControlClient(run).status(), { pid: 4321 });
    await server.close();
  });

  t.test('does not replace a file', async t => {
    const run = temporaryDirectory(t);
    writeFileSync(join(run, 'control'), 'precious');
    await t.rejects(serveControl(run, new FakeControlModel(), ownUser), { code: 'PATH_TAKEN' });
  });

  t.test('with too long a path', async t => {
    const run = join(temporaryDirectory(t), 'x'.repeat(100));
    await t.rejects(serveControl(run, new FakeControlModel(), ownUser), { code: 'PATH_TOO_LONG' });
  });
});

t.test('no daemon', async t => {
  const run = temporaryDirectory(t);
  const error: unknown = await new ControlClient(run).status().catch((error: unknown) => error);
  t.ok(isXsockError(error, 'DAEMON_UNREACHABLE'));
  t.match(error, { message: join(run, 'control') }, 'says where it looked');
  t.match(error, { message: /is xsockd running/ }, 'says what to check');
});
