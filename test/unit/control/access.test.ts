/** Who may ask the control socket what: the rules, and what the kernel says of a real connection. */
import { execFile } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { type Caller, checkAccess, mayAsk } from '../../../daemon/control/access.js';
import { callerOf } from '../../../daemon/control/caller.js';
import { serveControl } from '../../../daemon/control/server.js';
import { requestJson } from '../../../daemon/http/json-client.js';
import { JsonServer } from '../../../daemon/http/json-server.js';
import { FakeControlModel } from '../../support/fake-control-model.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const RULES = { uid: 500, groups: { reader: 70, admin: 71 } };

function caller(uid: number, gid: number, groups: readonly number[] = []): Caller {
  return { pid: 4711, uid, gid, groups };
}

t.test('the rules', async t => {
  const stranger = caller(1000, 1000, [1000, 27]);
  t.ok(mayAsk('anyone', stranger, RULES));
  t.ok(mayAsk('anyone', undefined, RULES));
  for (const access of ['reader', 'admin'] as const) {
    t.notOk(mayAsk(access, stranger, RULES), `${access}: not everybody`);
    t.notOk(mayAsk(access, undefined, RULES), `${access}: not somebody unknown`);
    t.ok(mayAsk(access, caller(0, 0), RULES), `${access}: root`);
    t.ok(mayAsk(access, caller(500, 70), RULES), `${access}: the daemon's user`);
    t.ok(mayAsk(access, caller(1000, 1000, [71]), RULES), `${access}: xsock-admin`);
  }
  t.ok(mayAsk('reader', caller(1000, 1000, [70]), RULES), 'xsock reads');
  t.ok(mayAsk('reader', caller(1000, 70), RULES), 'also as a first group');
  t.notOk(mayAsk('admin', caller(1000, 70, [70]), RULES), 'xsock changes nothing');
  const none = { uid: 500, groups: { reader: undefined, admin: undefined } };
  t.notOk(mayAsk('reader', stranger, none), 'a group that does not exist has no members');
});

t.test('a refusal names the group to join', async t => {
  t.throws(() => checkAccess('reader', caller(1000, 1000), RULES), {
    code: 'FORBIDDEN',
    message: /user 1000 .* group xsock \('adduser USER xsock'/,
  });
  t.throws(() => checkAccess('admin', caller(1000, 70), RULES), { message: /group xsock-admin/ });
});

t.test('the kernel identifies the caller', async t => {
  const path = join(temporaryDirectory(t), 'c');
  const server = new JsonServer([{ method: 'GET', path: '/who', handle: ({ caller }) => caller }], {
    identify: callerOf,
    keyOf: () => 'all',
    isPreferred: () => true,
  });
  await server.listen(path, 0o600);
  t.teardown(() => server.close());
  const seen = (await requestJson(path, { method: 'GET', path: '/who' }, '')) as Caller;
  t.equal(seen.pid, process.pid);
  t.equal(seen.uid, process.getuid?.());
  t.equal(seen.gid, process.getgid?.());
  // getgroups(2) of Node has the first group among them.
  t.same(new Set([...seen.groups, seen.gid]), new Set(process.getgroups?.()));
});

/** HTTP statuses that a program of that user gets for some requests. */
async function askAs(socket: string, uid: number, gid: number): Promise<Record<string, number>> {
  const script = `
const http = require('node:http');
const ask = (method, path) => new Promise((resolve, reject) => {
  http.request({ socketPath: process.argv[1], method, path, agent: false }, response => {
    response.resume().on('end', () => resolve(response.statusCode));
  }).on('error', reject).end();
});
(async () => {
  const results = {};
  for (const [method, path] of [['GET', '/v1/health'], ['GET', '/v1/status'], ['GET', '/v1/services'],
      ['GET', '/v1/streams'], ['POST', '/v1/reload'], ['DELETE', '/v1/streams/1/5']]) {
    results[path] = await ask(method, path);
  }
  console.log(JSON.stringify(results));
})();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script, socket], {
    uid,
    gid,
  });
  return JSON.parse(stdout) as Record<string, number>;
}

const NOBODY = 65_534;
const READERS = 4242;
const ADMINS = 4343;
const skip = process.getuid?.() === 0 ? false : 'only root can be other users';

t.test('other users get what their groups allow', { skip }, async t => {
  const run = temporaryDirectory(t);
  chmodSync(run, 0o755);
  const model = new FakeControlModel();
  const groups = { reader: READERS, admin: ADMINS };
  const server = await serveControl(run, model, () => ({ uid: 0, groups }));
  t.teardown(() => server.close());
  const socket = join(run, 'control');
  const [read, change] = [200, 200];
  const results = (reading: number, changing: number) => ({
    '/v1/health': 200,
    '/v1/status': reading,
    '/v1/services': reading,
    '/v1/streams': reading,
    '/v1/reload': changing,
    '/v1/streams/1/5': changing,
  });
  t.same(await askAs(socket, NOBODY, NOBODY), results(403, 403), 'nobody in particular');
  t.same(await askAs(socket, NOBODY, READERS), results(read, 403), 'group xsock');
  t.same(model.resets, [], 'nothing was reset');
  t.same(await askAs(socket, NOBODY, ADMINS), results(read, change), 'group xsock-admin');
  t.same(model.resets, [[1, 5]]);
});
