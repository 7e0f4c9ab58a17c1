/** Names that domain 0 tells guests: by-name, allow-lists and peers by name work in guests that trust it. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { dial, echo, echoes, serve } from '../support/streams.js';
import { killDaemon, socketOf, stopDaemon, Testbed } from '../support/testbed.js';

t.test('guests find each other by name, also after one was re-created', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(1, 'one');
  await testbed.introduce(2, 'two');
  await serve(t, testbed.path('echo'), echo);
  await testbed.daemon(0, 'directory: {publish: [one, two]}\n');
  const yaml = (peer: string) =>
    `directory: {trust: true}\npeers: [{domid: 0}, {name: ${peer}}]\n` +
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [${peer}]}]\n`;
  const one = await testbed.daemon(1, yaml('two'));
  const two = await testbed.daemon(2, yaml('one'));
  t.ok(await echoes(await socketOf(one, 'two', 'echo'), 100_000));
  t.ok(await echoes(await socketOf(two, 'one', 'echo'), 100_000));
  const { peers } = await one.control.status();
  t.match(
    peers.map(({ domid, name }) => [domid, name]),
    [
      [0, 'Domain-0'],
      [1, 'one'],
      [2, 'two'],
    ],
  );
  t.match(peers[2]?.uuid, /^[0-9a-f-]{36}$/);

  two.process.child.kill('SIGSTOP');
  await testbed.destroy(2);
  await killDaemon(two);
  await eventually(async () => {
    if (existsSync(`${one.run}/2`)) throw new Error('its paths are still there');
  });
  await testbed.introduce(5, 'two');
  const again = await testbed.daemon(5, yaml('one'));
  t.ok(await echoes(await socketOf(one, 5, 'echo'), 100_000), 'no reload, a new domid');
  t.ok(await echoes(await socketOf(one, 'two', 'echo'), 100_000));
  t.ok(await echoes(await socketOf(again, 'one', 'echo'), 100_000));
});

t.test("a restart of domain 0's daemon cuts no stream between guests", async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(1, 'one');
  await testbed.introduce(2, 'two');
  await serve(t, testbed.path('echo'), echo);
  const publish = 'directory: {publish: [one, two]}\n';
  const dom0 = await testbed.daemon(0, publish);
  const yaml = (peer: string) =>
    `directory: {trust: true}\npeers: [{name: ${peer}}]\n` +
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [${peer}]}]\n`;
  const one = await testbed.daemon(1, yaml('two'));
  await testbed.daemon(2, yaml('one'));
  const path = await socketOf(one, 'two', 'echo');
  const stream = await dial(path);
  t.teardown(() => stream.destroy());
  const answered = async (text: string) => {
    const answer = once(stream, 'data');
    stream.write(text);
    const [bytes] = await answer;
    return String(bytes) === text;
  };
  t.ok(await answered('before'));
  await stopDaemon(dom0);
  await eventually(async () => {
    if (!/publishes no directory/.test(one.log())) throw new Error('its end is not seen');
  });
  t.ok(await answered('while it is away'), 'the stream goes on');
  await testbed.daemon(0, publish);
  await eventually(async () => {
    if (!/directory of domains is back/.test(one.log())) throw new Error('it is not seen');
  });
  t.ok(await answered('afterwards'));
  await eventually(async () => t.ok(await echoes(path, 1000), 'and new ones are accepted'));
});

t.test('a guest without the directory, or without trust in it, uses domids', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(1, 'one');
  await testbed.introduce(2, 'two');
  await serve(t, testbed.path('echo'), echo);
  await testbed.daemon(
    0,
    `directory: {publish: [one]}
exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [any]}]
`,
  );
  const told = await testbed.daemon(1, 'peers: [{domid: 0}, {name: two}]\n');
  const untold = await testbed.daemon(2, 'directory: {trust: true}\n');
  for (const guest of [told, untold]) {
    t.ok(await echoes(await socketOf(guest, 0, 'echo'), 1000));
    t.notOk(existsSync(`${guest.run}/by-name/Domain-0`));
  }
  t.match(told.log(), /domain 'two' cannot be found by name without directory.trust/);
});
