/** Who may open what, what a refusal looks like, and a reload that touches only what changed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { findProgram, installed } from '../support/installed.js';
import { dial, echo, echoes, ended, serve } from '../support/streams.js';
import { gone, socketOf, Testbed, type TestDaemon } from '../support/testbed.js';

function logged(daemon: TestDaemon, text: string): Promise<void> {
  return eventually(async () => {
    if (!daemon.log().includes(text)) throw new Error(`the log has no '${text}'`);
  });
}

t.test('only what is allowed appears', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  const target = `"unix:${testbed.path('echo')}"`;
  const low = await testbed.daemon(
    0,
    `exports:
  - {name: open, target: ${target}, allow: [any]}
  - {name: by-name, target: ${target}, allow: [web]}
  - {name: for-another, target: ${target}, allow: [7]}
  - {name: for-nobody, target: ${target}}
  - {name: for-itself, target: ${target}, self: true}
imports:
  - {service: for-itself, mode: "0600"}
`,
  );
  const high = await testbed.daemon(3);
  await socketOf(high, 0, 'open');
  await socketOf(high, 0, 'by-name');
  t.notOk(existsSync(`${high.run}/0/for-another`));
  t.notOk(existsSync(`${high.run}/0/for-nobody`));
  t.notOk(existsSync(`${high.run}/0/for-itself`));
  const own = await socketOf(low, 0, 'for-itself');
  t.ok(await echoes(own, 1000), 'the domain itself uses what says self');
  t.equal(lstatSync(own).mode & 0o777, 0o600, 'with the rights of the import rule');
  t.same(readdirSync(`${low.run}/0`), ['for-itself'], 'and nothing else of its own');
});

t.test(
  'a target that does not exist is refused with that reason, and works once it does',
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    const high = await testbed.daemon(
      3,
      `exports: [{name: late, target: "unix:${testbed.path('late')}", allow: [0]}]\n`,
    );
    const low = await testbed.daemon(0);
    const path = await socketOf(low, 3, 'late');
    await ended(await dial(path));
    await logged(low, 'target-unavailable');
    await logged(high, 'No such file or directory');
    const refused = async (daemon: TestDaemon, domid: number) =>
      (await daemon.control.status()).peers.find(peer => peer.domid === domid)?.lastRefused;
    const reason = 'target-unavailable';
    t.match(await refused(low, 3), { direction: 'outgoing', service: 'late', reason });
    t.match(await refused(high, 0), { direction: 'incoming', reason, detail: /No such file/ });
    await serve(t, testbed.path('late'), echo);
    t.ok(await echoes(path, 1000));
  },
);

t.test('a reload: what did not change is not touched, streams live on', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  const service = (name: string) =>
    `  - {name: ${name}, target: "unix:${testbed.path('echo')}", allow: [0]}\n`;
  const high = await testbed.daemon(3, `exports:\n${service('kept')}${service('removed')}`);
  const low = await testbed.daemon(0);
  const kept = await socketOf(low, 3, 'kept');
  const removed = await socketOf(low, 3, 'removed');
  const inode = lstatSync(kept).ino;
  const stream = await dial(removed);
  testbed.writeConfig(3, `exports:\n${service('kept')}${service('added')}`);
  high.process.child.kill('SIGHUP');
  await gone(removed);
  t.ok(await echoes(await socketOf(low, 3, 'added'), 1000));
  t.equal(lstatSync(kept).ino, inode, 'the same socket as before');
  const answer = once(stream, 'data');
  stream.write('still there');
  t.equal(String((await answer)[0]), 'still there', 'a stream of a removed service lives on');
  stream.destroy();

  writeFileSync(high.config, 'exports: [{name: a/b}]\n');
  high.process.child.kill('SIGHUP');
  await logged(high, 'reload failed; keeping the current configuration');
  t.ok(await echoes(kept, 1000));
});

t.test('import rules: owner, mode and a local TCP listener', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  await testbed.daemon(
    3,
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}, {name: hidden, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`,
  );
  const low = await testbed
    .daemon(
      0,
      'imports: [{peer: 3, service: echo, mode: "0606", group: daemon, tcp: "127.0.0.1:0"}]\n',
    )
    .catch(() => undefined);
  t.equal(low, undefined, 'port 0 cannot be meant');
  const again = await testbed.daemon(
    0,
    'imports: [{peer: 3, service: echo, mode: "0606", group: daemon}]\n',
  );
  const path = await socketOf(again, 3, 'echo');
  const { mode, gid } = lstatSync(path);
  t.equal(mode & 0o777, 0o606);
  if (process.getuid?.() === 0) t.not(gid, process.getgid?.());
  t.notOk(existsSync(`${again.run}/3/hidden`), 'no rule takes it');
});

t.test(
  'descriptors cannot cross: reset, log line, counter',
  {
    skip: installed('python3'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    await serve(t, testbed.path('echo'), echo);
    await testbed.daemon(
      3,
      `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`,
    );
    const low = await testbed.daemon(0);
    const script = `
import array, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))])
try:
    print('end' if s.recv(1) == b'' else 'data')
except ConnectionResetError:
    print('reset')
`;
    const python = spawn(findProgram('python3') ?? '', [
      '-c',
      script,
      await socketOf(low, 3, 'echo'),
    ]);
    const [output] = (await once(python.stdout, 'data')) as [Buffer];
    t.not(String(output).trim(), 'data');
    await logged(low, 'passed file descriptors');
    const { peers } = await low.control.status();
    t.equal(peers.find(({ domid }) => domid === 3)?.counters?.fdPassingResets, 1);
  },
);
