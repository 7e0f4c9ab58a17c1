/** Two pumps in each domain: one link, two lanes, streams on both; deaths and ends as with one. */
import t, { type Test } from 'tap';
import { eventually, settled } from '../support/eventually.js';
import { openDescriptors } from '../support/leaks.js';
import { dial, echo, echoes, ended, serve } from '../support/streams.js';
import { killDaemon, socketOf, stopDaemon, Testbed, type TestDaemon } from '../support/testbed.js';

const ROUNDS = 10;
const LINK = 'link: { pumps: 2, ring-size: 64KiB }\n';
const PEER = 3;

async function hasLanes(daemon: TestDaemon, lanes: number): Promise<void> {
  await eventually(async () => {
    const { peers } = await daemon.control.status();
    const found = peers.find(({ domid }) => domid === PEER)?.counters?.lanes;
    if (found !== lanes) throw new Error(`${found} lanes`);
  });
}

async function start(t: Test) {
  const testbed = await Testbed.start(t);
  await testbed.introduce(PEER, 'web');
  await serve(t, testbed.path('echo'), echo);
  const exports = `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [any]}]\n`;
  const low = await testbed.daemon(0, LINK);
  const high = await testbed.daemon(PEER, LINK + exports);
  await hasLanes(low, 2);
  return { testbed, yaml: LINK + exports, low, high };
}

t.test('streams on both lanes, byte for byte; one of them is reset by its number', async t => {
  const { low } = await start(t);
  const path = await socketOf(low, PEER, 'echo');
  const results = await Promise.all(Array.from({ length: 200 }, () => echoes(path, 100_000)));
  t.equal(results.filter(Boolean).length, 200);
  const streamsOf = (count: number) =>
    eventually(async () => {
      const found = await low.control.streams();
      if (found.length !== count) throw new Error(`${found.length} streams`);
      return found;
    });
  await streamsOf(0);
  const held = await Promise.all(Array.from({ length: 6 }, () => dial(path)));
  const ends = held.map(ended);
  const streams = await streamsOf(6);
  const second = streams.filter(({ stream }) => stream >= 2 ** 28);
  t.equal(second.length, 3, 'three on the second lane');
  t.equal(await low.control.resetStream(PEER, second[0]?.stream ?? 0), true);
  await Promise.race(ends);
  await streamsOf(5);
  for (const socket of held) socket.destroy();
});

t.test(`${ROUNDS} deaths of a peer under load: everything ends, nothing leaks`, async t => {
  const { testbed, yaml, low, high } = await start(t);
  let peer = high;
  let steady: string | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const path = await socketOf(low, PEER, 'echo');
    const held = await Promise.all(Array.from({ length: 6 }, () => dial(path)));
    const ends = held.map(ended);
    for (const socket of held) socket.write(Buffer.alloc(100_000));
    await killDaemon(peer);
    await Promise.all(ends);
    peer = await testbed.daemon(PEER, yaml);
    await hasLanes(low, 2);
    const counts = async (): Promise<string> =>
      JSON.stringify({
        low: openDescriptors(low.process.child.pid ?? 0),
        machine: await testbed.machine.counts(),
      });
    steady ??= await settled(counts);
    const before = steady;
    await eventually(async () => {
      const now = await counts();
      if (now !== before) throw new Error(`after round 0: ${before}, after round ${round}: ${now}`);
    });
  }
  t.pass('descriptors, grants and event channels are as after the first round');
  t.equal(await stopDaemon(peer), 0);
  t.equal(await stopDaemon(low), 0);
  for (const counts of await testbed.machine.counts()) {
    t.match(counts, { grants: 0, mappings: 0, eventChannels: 0, connections: 0, watches: 0 });
  }
});

t.test('a daemon that stops lets the streams of both lanes end', async t => {
  const { low, high } = await start(t);
  const path = await socketOf(low, PEER, 'echo');
  const held = await Promise.all(Array.from({ length: 4 }, () => dial(path)));
  high.process.child.kill('SIGTERM');
  await eventually(async () => {
    const { peers } = await low.control.status();
    if (peers.find(({ domid }) => domid === PEER)?.state !== 'draining') throw new Error('not yet');
  });
  for (const socket of held) socket.end('last words');
  await Promise.all(held.map(ended));
  t.equal((await high.process.finished).code, 0);
});
