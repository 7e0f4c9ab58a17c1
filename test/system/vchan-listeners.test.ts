/** The sockets of raw vchan imports as files: nothing foreign is replaced or removed, nothing of ours stays. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { serve } from '../support/streams.js';
import { killDaemon, stopDaemon, Testbed } from '../support/testbed.js';

const IMPORT = 'imports: [{peer: 3, service: x, vchan: data/vchan/x}]\n';
const OTHER_MODE = 'imports: [{peer: 3, service: x, vchan: data/vchan/x, mode: "0600"}]\n';

t.test("files of others in the run directory outlive the daemon's end", async t => {
  const testbed = await Testbed.start(t);
  mkdirSync(testbed.path('r0/vchan/notes'), { recursive: true });
  writeFileSync(testbed.path('r0/vchan/notes/precious'), 'precious');
  const without = await testbed.daemon(0);
  t.equal(await stopDaemon(without), 0);
  t.ok(existsSync(testbed.path('r0/vchan/notes/precious')), 'no raw vchan was configured');
  const daemon = await testbed.daemon(0, IMPORT);
  writeFileSync(join(daemon.run, 'vchan/3/note'), 'note');
  t.equal(await stopDaemon(daemon), 0);
  t.ok(existsSync(testbed.path('r0/vchan/notes/precious')));
  t.same(readdirSync(join(daemon.run, 'vchan/3')), ['note'], 'the socket has gone');
});

t.test('nothing is left where nothing else was, also after a crash', async t => {
  const testbed = await Testbed.start(t);
  const first = await testbed.daemon(0, IMPORT);
  t.ok(lstatSync(join(first.run, 'vchan/3/x')).isSocket());
  await killDaemon(first);
  t.ok(existsSync(join(first.run, 'vchan/3/x')));
  const second = await testbed.daemon(0, IMPORT);
  await second.control.reload();
  testbed.writeConfig(0, 'imports: []\n');
  await second.control.reload();
  t.notOk(existsSync(join(second.run, 'vchan')));
  t.equal(await stopDaemon(second), 0);
});

t.test(
  'what is in the place of a socket is not replaced: the start, or the reload, is refused',
  async t => {
    const testbed = await Testbed.start(t);
    const path = testbed.path('r0/vchan/3/x');
    mkdirSync(testbed.path('r0/vchan/3'), { recursive: true });
    writeFileSync(path, 'precious');
    const taken = `'${path}' exists and is not a socket: move it away`;
    await t.rejects(testbed.daemon(0, IMPORT), { message: taken });
    const daemon = await testbed.daemon(0);
    testbed.writeConfig(0, IMPORT);
    await t.rejects(daemon.control.reload(), { message: taken });
    t.equal(readFileSync(path, 'utf8'), 'precious');
    testbed.writeConfig(0, IMPORT.replace('service: x', 'service: y'));
    await serve(t, testbed.path('r0/vchan/3/y'), socket => socket.end());
    await t.rejects(daemon.control.reload(), { message: /another process serves .*\/y'/ });
    t.equal(await stopDaemon(daemon), 0);
    t.same(readdirSync(testbed.path('r0/vchan/3')).sort(), ['x', 'y']);
  },
);

t.test('other rights create another socket, which replaces the old one atomically', async t => {
  const testbed = await Testbed.start(t);
  const daemon = await testbed.daemon(0, IMPORT);
  const path = join(daemon.run, 'vchan/3/x');
  const before = lstatSync(path);
  testbed.writeConfig(0, OTHER_MODE);
  await daemon.control.reload();
  const after = lstatSync(path);
  t.not(after.ino, before.ino);
  t.equal(after.mode & 0o777, 0o600);
  t.same(readdirSync(join(daemon.run, 'vchan/3')), ['x']);
});
