/** `kill -9` of either daemon under load: survivors notice, nothing leaks, restarts need no help. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import t from 'tap';
import { eventually, settled } from '../support/eventually.js';
import { openDescriptors } from '../support/leaks.js';
import { dial, echo, echoes, ended, serve } from '../support/streams.js';
import {
  gone,
  killDaemon,
  socketOf,
  stopDaemon,
  Testbed,
  type TestDaemon,
} from '../support/testbed.js';

const ROUNDS = 100;

/** Streams that send without end, as fast as they are let. */
async function load(path: string, count: number): Promise<readonly Socket[]> {
  const block = randomBytes(64 * 1024);
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = await dial(path);
      const write = (): void => {
        while (!socket.destroyed && socket.write(block)) {}
      };
      socket.on('drain', write);
      write();
      return socket;
    }),
  );
}

t.test(`${ROUNDS} rounds, the two sides by turns`, async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  const exports = `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [any]}]\n`;
  let low = await testbed.daemon(0, exports);
  let high = await testbed.daemon(3, exports);
  let steady: string | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const [victim, survivor] = round % 2 === 0 ? [low, high] : [high, low];
    const path = await socketOf(survivor, victim.domid, 'echo');
    const ends = (await load(path, 4)).map(ended);
    await killDaemon(victim);
    await Promise.all(ends);
    await gone(path);
    const again = await testbed.daemon(victim.domid, exports);
    if (round % 2 === 0) low = again;
    else high = again;
    if (!(await echoes(await socketOf(survivor, victim.domid, 'echo'), 10_000))) {
      t.fail(`round ${round}: the restarted daemon does not answer`);
    }
    await socketOf(again, survivor.domid, 'echo');
    const counts = async (): Promise<string> =>
      JSON.stringify({
        low: openDescriptors(low.process.child.pid ?? 0),
        high: openDescriptors(high.process.child.pid ?? 0),
        machine: await testbed.machine.counts(),
      });
    steady ??= await settled(counts);
    const before = steady;
    await eventually(async () => {
      const now = await counts();
      if (now !== before) throw new Error(`after round 0: ${before}, after round ${round}: ${now}`);
    });
  }
  t.pass('descriptors, grants, event channels, nodes and watches are as after the first round');
  t.equal(await stopDaemon(low), 0);
  t.equal(await stopDaemon(high), 0);
  for (const counts of await testbed.machine.counts()) {
    t.match(counts, { grants: 0, mappings: 0, eventChannels: 0, connections: 0, watches: 0 });
  }
});

/** Lines of the end that call for somebody to look; at the start, root is warned of its exports. */
function warnings(daemon: TestDaemon): readonly string[] {
  return daemon
    .log()
    .split('\n')
    .filter(line => line.startsWith('{') && JSON.parse(line).level >= 40)
    .filter(line => !line.includes('xsockd runs as root'));
}

t.test('a daemon that stops in order lets streams end and leaves nothing', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  const low = await testbed.daemon(0);
  const high = await testbed.daemon(
    3,
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`,
  );
  const path = await socketOf(low, 3, 'echo');
  const socket = await dial(path);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write('before');
  await eventually(async () => {
    if (Buffer.concat(chunks).toString() !== 'before') throw new Error('not yet');
  });
  high.process.child.kill('SIGTERM');
  await gone(path);
  socket.end(' after');
  await ended(socket);
  t.equal(Buffer.concat(chunks).toString(), 'before after');
  t.equal((await high.process.finished).code, 0);
  t.notOk(existsSync(`${high.run}/3`));
  t.same([...warnings(high), ...warnings(low)], [], 'an ordered end is nothing to warn of');
});

t.test('streams that do not end are cut off after the drain time', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  const exports = `drain-timeout: 1s
exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`;
  const low = await testbed.daemon(0);
  const high = await testbed.daemon(3, exports);
  const socket = await dial(await socketOf(low, 3, 'echo'));
  // Once it is echoed, the stream is open at both ends: otherwise it may be refused.
  socket.write('x');
  await once(socket, 'data');
  const end = ended(socket);
  t.equal(await stopDaemon(high), 0);
  await end;
  t.match(low.log(), /stream closed/);
  await eventually(async () => {
    if (!low.log().includes('the peer has said goodbye')) throw new Error('not yet');
  });
  t.same([...warnings(high), ...warnings(low)], []);
});
