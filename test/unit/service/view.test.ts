/** The view on a real file system, with real sockets: what appears, what stays alone, what vanishes when. */
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { DomId, LinkId } from '../../../daemon/ids.js';
import { PeerLogs } from '../../../daemon/log/peer-logs.js';
import type { Service } from '../../../daemon/service/imports.js';
import { View } from '../../../daemon/service/view.js';
import { eventually } from '../../support/eventually.js';
import { ListeningDataplane } from '../../support/listening-dataplane.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const LINK = 1 as LinkId;
const DOMAIN = 5 as DomId;
const PEER = { domid: DOMAIN, name: 'web' };

function service(given: Partial<Service>): Service {
  return {
    name: undefined,
    port: undefined,
    uid: -1,
    gid: -1,
    mode: 0o660,
    tcp: undefined,
    ...given,
  };
}

function setUp(t: Test) {
  const run = join(temporaryDirectory(t), 'r');
  const dataplane = new ListeningDataplane();
  const lines: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  const view = new View({ runDir: run, dataplane, logs: new PeerLogs(log) });
  t.teardown(() => dataplane.close());
  return { run, dataplane, lines, log, view };
}

/** A socket that somebody serves, until the test ends. */
async function liveSocket(t: Test, path: string): Promise<void> {
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  t.teardown(() => server.close());
}

/** A socket whose server has ended without removing it. */
async function deadSocket(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}x`);
  await once(server, 'listening');
  renameSync(`${path}x`, path);
  server.close();
  await once(server, 'close');
}

t.test('a service appears by name, by port and under the name of its domain', async t => {
  const { run, dataplane, view } = setUp(t);
  await view.prepare();
  await view.show(LINK, PEER, [service({ name: 'db', port: 5432, mode: 0o600 })]);
  for (const path of ['5/db', '5/port/5432', 'by-name/web/db']) {
    const stat = statSync(join(run, path));
    t.ok(stat.isSocket(), path);
    t.equal(stat.mode & 0o777, 0o600, 'with the rights that were asked for');
  }
  t.equal(readlinkSync(join(run, 'by-name/web')), '../5');
  t.equal(statSync(join(run, '5')).mode & 0o777, 0o755 & ~process.umask());
  view.hide(DOMAIN);
  t.same(readdirSync(run), [], 'all of it has gone within the turn');
  t.equal(dataplane.open.size, 0);
});

t.test('only differences are touched', async t => {
  const { run, dataplane, view } = setUp(t);
  const both = [service({ name: 'a' }), service({ name: 'b' })];
  await view.show(LINK, PEER, both);
  const { ino } = lstatSync(join(run, '5/a'));
  dataplane.calls.length = 0;
  await view.show(LINK, PEER, both);
  t.same(dataplane.calls, []);
  await view.show(LINK, PEER, [service({ name: 'a' }), service({ name: 'c' })]);
  t.same(dataplane.calls, ['unlisten', `listen ${join(run, '5/c')}`]);
  t.equal(lstatSync(join(run, '5/a')).ino, ino);
  t.same(readdirSync(join(run, '5')), ['a', 'c']);
});

t.test('other rights create another socket', async t => {
  const { run, view } = setUp(t);
  await view.show(LINK, PEER, [service({ name: 'a', mode: 0o600 })]);
  await view.show(LINK, PEER, [service({ name: 'a', mode: 0o666 })]);
  t.equal(lstatSync(join(run, '5/a')).mode & 0o777, 0o666);
});

t.test('other rights: the path is never without a socket', async t => {
  const { run, dataplane, view } = setUp(t);
  const path = join(run, '5/a');
  await view.show(LINK, PEER, [service({ name: 'a', mode: 0o600 })]);
  const modes: number[] = [];
  dataplane.beforeListening = () => void modes.push(lstatSync(path).mode & 0o777);
  await view.show(LINK, PEER, [service({ name: 'a', mode: 0o666 })]);
  t.same(modes, [0o600], 'the old one was there until the new one took its place');
  t.equal(dataplane.open.size, 1);
  t.ok(lstatSync(path).isSocket());
});

t.test('rights that cannot be set: the socket with the old ones is removed', async t => {
  const { run, dataplane, view } = setUp(t);
  await view.show(LINK, PEER, [service({ name: 'a', mode: 0o666 })]);
  dataplane.beforeListening = () => Promise.reject(new Error('EPERM'));
  await view.show(LINK, PEER, [service({ name: 'a', mode: 0o600 })]);
  t.notOk(existsSync(join(run, '5/a')));
  t.equal(dataplane.open.size, 0);
});

t.test('the last of several calls wins', async t => {
  const { run, dataplane, view } = setUp(t);
  await Promise.all(
    ['a', 'b', 'c'].map(name => view.show(LINK, PEER, [service({ name }), service({ name: 'x' })])),
  );
  t.same(readdirSync(join(run, '5')), ['c', 'x']);
  t.notOk(
    dataplane.calls.includes(`listen ${join(run, '5/b')}`),
    'what was overtaken is not even begun',
  );
});

t.test('a peer that goes while its socket is being created leaves nothing', async t => {
  const { run, dataplane, view } = setUp(t);
  dataplane.beforeListening = () => view.hide(DOMAIN);
  await view.show(LINK, PEER, [service({ name: 'a', port: 7 }), service({ name: 'b' })]);
  t.same(readdirSync(run), []);
  t.equal(dataplane.open.size, 0);
  t.same([...view.shown(DOMAIN)], []);
});

t.test('a new link of the same peer has sockets of its own', async t => {
  const { run, dataplane, view } = setUp(t);
  await view.show(LINK, PEER, [service({ name: 'a' })]);
  await view.show(2 as LinkId, PEER, [service({ name: 'a' })]);
  t.equal(dataplane.calls.filter(call => call.startsWith('listen')).length, 2);
  t.equal(dataplane.open.size, 1);
  t.ok(existsSync(join(run, '5/a')));
});

t.test('a path that is in use is left alone and retried', async t => {
  const { run, lines, view } = setUp(t);
  mkdirSync(join(run, '5'), { recursive: true });
  writeFileSync(join(run, '5/file'), 'precious');
  await liveSocket(t, join(run, '5/live'));
  const { ino } = lstatSync(join(run, '5/live'));
  const services = ['file', 'live', 'free'].map(name => service({ name }));
  await view.show(LINK, PEER, services);
  t.equal(readFileSync(join(run, '5/file'), 'utf8'), 'precious');
  t.equal(lstatSync(join(run, '5/live')).ino, ino);
  t.ok(lstatSync(join(run, '5/free')).isSocket(), 'the others are not held up');
  t.match(lines.join(''), /'[^']*\/5\/file' exists and is not a socket/);
  t.match(
    [...view.shown(DOMAIN)].find(entry => entry.service.name === 'live'),
    {
      address: undefined,
      problem: /another process serves/,
    },
  );
  unlinkSync(join(run, '5/file'));
  await view.show(LINK, PEER, services);
  t.ok(lstatSync(join(run, '5/file')).isSocket());
  await view.close();
  t.same(readdirSync(join(run, '5')), ['live'], 'what is foreign is still there');
});

t.test('closing waits for a socket that is being created, and removes it', async t => {
  const { run, dataplane, view } = setUp(t);
  let bound = (): void => undefined;
  const isBound = new Promise<void>(resolve => {
    bound = resolve;
  });
  let go = (): void => undefined;
  dataplane.beforeListening = () => {
    bound();
    return new Promise<void>(resolve => {
      go = resolve;
    });
  };
  const shown = view.show(LINK, PEER, [service({ name: 'late' })]);
  await isBound;
  const closed = view.close();
  go();
  await closed;
  t.notOk(existsSync(join(run, '5')));
  await shown;
});

t.test('a socket that a crash left is replaced', async t => {
  const { run, view } = setUp(t);
  mkdirSync(join(run, '5'), { recursive: true });
  await deadSocket(join(run, '5/a'));
  await view.show(LINK, PEER, [service({ name: 'a' })]);
  t.match([...view.shown(DOMAIN)], [{ address: join(run, '5/a'), problem: undefined }]);
});

t.test('a file that came in place of ours is not removed', async t => {
  const { run, view } = setUp(t);
  await view.show(LINK, PEER, [service({ name: 'a' })]);
  writeFileSync(join(run, 'other'), 'precious');
  renameSync(join(run, 'other'), join(run, '5/a'));
  view.hide(DOMAIN);
  t.equal(readFileSync(join(run, '5/a'), 'utf8'), 'precious');
});

t.test('a path that is too long is logged and skipped', async t => {
  const { run, view } = setUp(t);
  const runDir = join(run, 'd'.repeat(60));
  const dataplane = new ListeningDataplane();
  t.teardown(() => dataplane.close());
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const deep = new View({ runDir, dataplane, logs: new PeerLogs(log) });
  await deep.show(LINK, PEER, [service({ name: 'n'.repeat(64) }), service({ name: 's' })]);
  t.match(lines.join(''), /at most 107/);
  t.same(readdirSync(join(runDir, '5')), ['s']);
  deep.close();
  await view.close();
});

t.test('a failure does not stop what comes after it', async t => {
  const { run, dataplane, view } = setUp(t);
  dataplane.beforeListening = () => {
    throw new Error('EMFILE');
  };
  await view.show(LINK, PEER, [service({ name: 'a' })]);
  t.match([...view.shown(DOMAIN)], [{ address: undefined, problem: 'EMFILE' }]);
  dataplane.beforeListening = () => undefined;
  await view.show(LINK, PEER, [service({ name: 'b' })]);
  t.ok(existsSync(join(run, '5/b')));
  dataplane.unlisten = () => {
    throw new Error('out of order');
  };
  await t.rejects(view.show(LINK, PEER, []), { message: 'out of order' });
  await view.show(LINK, { domid: 6 as DomId }, [service({ name: 'c' })]);
  t.ok(existsSync(join(run, '6/c')), 'another peer is served all the same');
});

t.test('a socket that could not be created is retried until it can be', async t => {
  const { run, lines, dataplane, view } = setUp(t);
  let attempts = 0;
  dataplane.beforeListening = () => {
    attempts += 1;
    if (attempts <= 3) throw Object.assign(new Error('EMFILE: too many'), { code: 'EMFILE' });
  };
  const wanted = [service({ name: 'a' }), service({ name: 'b' }), service({ name: 'c' })];
  await view.show(LINK, PEER, wanted);
  t.equal(attempts, 1, 'the others would fail alike');
  t.equal(view.problemsOf(DOMAIN), 3);
  t.match([...view.shown(DOMAIN)], [{ problem: /EMFILE/ }, { problem: /EMFILE/ }, {}]);
  await eventually(async () => {
    if (view.problemsOf(DOMAIN) > 0) throw new Error('not yet');
  });
  t.same(readdirSync(join(run, '5')), ['a', 'b', 'c']);
  const logged = (text: string) => lines.filter(line => line.includes(text)).length;
  t.equal(logged('failed to create service socket'), 1, 'told once');
  t.equal(logged('created on retry'), 3);
  await view.close();
});

t.test('a path in use does not delay the others, and is created when it is free', async t => {
  const { run, view } = setUp(t);
  mkdirSync(join(run, '5'), { recursive: true });
  writeFileSync(join(run, '5/a'), 'precious');
  await view.show(LINK, PEER, [service({ name: 'a' }), service({ name: 'b' })]);
  t.equal(view.problemsOf(DOMAIN), 1);
  t.ok(lstatSync(join(run, '5/b')).isSocket());
  unlinkSync(join(run, '5/a'));
  await eventually(async () => {
    if (view.problemsOf(DOMAIN) > 0) throw new Error('not yet');
  });
  t.ok(lstatSync(join(run, '5/a')).isSocket());
  await view.close();
});

t.test('the link by name is created when its name is free', async t => {
  const { run, view } = setUp(t);
  mkdirSync(join(run, 'by-name'), { recursive: true });
  writeFileSync(join(run, 'by-name/web'), '');
  await view.show(LINK, PEER, [service({ name: 'a' })]);
  t.equal(view.problemsOf(DOMAIN), 1);
  unlinkSync(join(run, 'by-name/web'));
  await eventually(async () => {
    if (view.problemsOf(DOMAIN) > 0) throw new Error('not yet');
  });
  t.equal(readlinkSync(join(run, 'by-name/web')), '../5');
  await view.close();
});

t.test('hidden sockets are not retried', async t => {
  const { dataplane, view } = setUp(t);
  dataplane.beforeListening = () => {
    throw new Error('no');
  };
  await view.show(LINK, PEER, [service({ name: 'a' })]);
  view.hide(DOMAIN);
  t.equal(view.problemsOf(DOMAIN), 0);
  const { length } = dataplane.calls;
  await view.show(LINK, { domid: 6 as DomId }, []);
  t.equal(dataplane.calls.length, length);
});

t.test('a TCP address is listened on as well', async t => {
  const { run, dataplane, view } = setUp(t);
  await view.show(LINK, PEER, [service({ name: 'a', tcp: { host: '127.0.0.1', port: 80 } })]);
  t.same(dataplane.calls, [`listen ${join(run, '5/a')}`, 'listen 127.0.0.1:80']);
  view.hide(DOMAIN);
  t.equal(dataplane.open.size, 0);
});

t.test('names of domains: none that is a path, one domain each, foreign files stay', async t => {
  const { run, view } = setUp(t);
  const services = [service({ name: 'a' })];
  for (const name of ['..', '../x', 'a/b', '', 'n'.repeat(65), 'é']) {
    await view.show(LINK, { domid: DOMAIN, name }, services);
    t.notOk(existsSync(join(run, 'by-name')), JSON.stringify(name));
  }
  await view.show(LINK, PEER, services);
  await view.show(2 as LinkId, { domid: 6 as DomId, name: 'web' }, services);
  t.equal(readlinkSync(join(run, 'by-name/web')), '../5', 'the first keeps it');
  await view.show(LINK, { domid: DOMAIN, name: 'db' }, services);
  t.same(readdirSync(join(run, 'by-name')), ['db'], 'a domain that is renamed has one link');
  writeFileSync(join(run, 'by-name/note'), '');
  await view.close();
  t.same(readdirSync(join(run, 'by-name')), ['note']);
});
