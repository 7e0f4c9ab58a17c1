/** Bytes across two domains: random sizes and every boundary, both directions at once, compared by hash. */
import { randomInt } from 'node:crypto';
import t from 'tap';
import { echo, echoes, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

const MIB = 1024 * 1024;
/** Frame header and payload, window, ring: where one unit ends and the next begins (docs/protocol.md). */
const EDGES = [16, 4096, 32 * 1024, 64 * 1024, 128 * 1024, 256 * 1024, 512 * 1024, MIB];

async function domains(t: Parameters<typeof Testbed.pair>[0], ringSize: string) {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  const yaml = (name: string) =>
    `link: {ring-size: ${ringSize}}\nexports: [{name: echo, port: 7, target: "unix:${testbed.path(name)}", allow: [any]}]\n`;
  await serve(t, testbed.path('e0'), echo);
  await serve(t, testbed.path('e3'), echo);
  const [low, high] = await Promise.all([
    testbed.daemon(0, yaml('e0')),
    testbed.daemon(3, yaml('e3')),
  ]);
  return { low: await socketOf(high, 0, 'echo'), high: await socketOf(low, 3, 7) };
}

t.test('random sizes from 0 bytes to 64 MiB, both directions at once', async t => {
  const { low, high } = await domains(t, '256KiB');
  const sizes = [0, 1, 64 * MIB, ...Array.from({ length: 12 }, () => randomInt(4 * MIB))];
  const results = await Promise.all(sizes.flatMap(size => [echoes(low, size), echoes(high, size)]));
  t.same(
    results,
    results.map(() => true),
    sizes.join(' '),
  );
});

for (const ringSize of ['4KiB', '256KiB', '1MiB']) {
  t.test(`every boundary, one byte less and one more, over rings of ${ringSize}`, async t => {
    const { low, high } = await domains(t, ringSize);
    for (const edge of EDGES) {
      for (const size of [edge - 1, edge, edge + 1]) {
        t.same(await Promise.all([echoes(low, size), echoes(high, size)]), [true, true], `${size}`);
      }
    }
  });
}
