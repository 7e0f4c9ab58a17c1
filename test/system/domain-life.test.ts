/** Domains that come, go and are replaced: who hears of it, and that nobody inherits. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { connectXenstore } from '../../daemon/xenstore/client.js';
import { unixTransport } from '../../daemon/xenstore/transport.js';
import { eventually } from '../support/eventually.js';
import { dial, echo, echoes, ended, serve } from '../support/streams.js';
import { gone, killDaemon, socketOf, Testbed } from '../support/testbed.js';

t.test('a destroyed domain whose domid is given to another', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('old'), echo);
  const low = await testbed.daemon(
    0,
    `exports: [{name: private, target: "unix:${testbed.path('old')}", allow: [web]}]\n`,
  );
  const yaml = `exports: [{name: old, target: "unix:${testbed.path('old')}", allow: [0]}]\n`;
  const high = await testbed.daemon(3, yaml);
  const path = await socketOf(low, 3, 'old');
  await socketOf(high, 0, 'private');
  const end = ended(await dial(path));

  // Its processes end with it, as on Xen: first the domain, so that they cannot say goodbye.
  high.process.child.kill('SIGSTOP');
  await testbed.destroy(3);
  await killDaemon(high);
  await end;
  await gone(path);
  t.notOk(readdirSync(low.run).includes('3'), 'its paths vanish');

  await testbed.introduce(3, 'intruder');
  const xenstore = await connectXenstore(unixTransport(testbed.xenstored(3)));
  const successor = await testbed.daemon(3, 'exports: []\n');
  await eventually(async () => {
    const { peers } = await low.control.status();
    const peer = peers.find(({ domid }) => domid === 3);
    if (peer?.state !== 'up' || peer.name !== 'intruder') throw new Error('not linked');
  });
  const services = await successor.control.services();
  t.same(services, [], 'what was for web is not for the new one');
  t.match(
    (await low.control.services()).filter(({ direction }) => direction === 'imported'),
    [],
  );
  await xenstore.close();
});

t.test('domains that are introduced later are linked, by path and by name', async t => {
  const testbed = await Testbed.start(t);
  await serve(t, testbed.path('echo'), echo);
  const target = `unix:${testbed.path('echo')}`;
  const yaml = `exports: [{name: echo, target: "${target}", allow: [any], self: true}]\n`;
  const low = await testbed.daemon(0, yaml);
  for (const [domid, name] of [
    [1, 'one'],
    [2, 'two'],
  ] as const) {
    await testbed.introduce(domid, name);
    const guest = await testbed.daemon(domid, yaml);
    t.ok(await echoes(await socketOf(low, name, 'echo'), 100_000), `${name} by name`);
    t.ok(await echoes(await socketOf(guest, 0, 'echo'), 100_000), `domain 0 from ${name}`);
    t.ok(await echoes(await socketOf(guest, domid, 'echo'), 100_000), `${name} from itself`);
  }
});

t.test('guest to guest, without domain 0 in the way', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(1, 'one');
  await testbed.introduce(2, 'two');
  await serve(t, testbed.path('echo'), echo);
  const yaml = (peer: number, name: string) =>
    `peers: [{domid: ${peer}, name: ${name}}]\n` +
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [${name}]}]\n`;
  const one = await testbed.daemon(1, yaml(2, 'two'));
  const two = await testbed.daemon(2, yaml(1, 'one'));
  t.ok(await echoes(await socketOf(one, 'two', 'echo'), 100_000));
  t.ok(await echoes(await socketOf(two, 'one', 'echo'), 100_000));
});
