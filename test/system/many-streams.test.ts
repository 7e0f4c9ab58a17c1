/** A thousand streams on one link, each checked byte for byte, beside one program that never reads. */
import { randomInt } from 'node:crypto';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { dial, echo, echoes, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

const STREAMS = 1000;

t.test('a stalled reader stalls nobody else', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  const [low, high] = await Promise.all([
    testbed.daemon(0),
    testbed.daemon(
      3,
      `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`,
    ),
  ]);
  const path = await socketOf(low, 3, 'echo');

  const stalled = await dial(path);
  t.teardown(() => stalled.destroy());
  stalled.pause();
  // Writes until nothing fits anywhere on the way there and back.
  const block = Buffer.alloc(64 * 1024);
  await new Promise<void>(resolve => {
    const write = (): void => {
      while (stalled.write(block)) {}
      const waiting = setTimeout(resolve, 1000);
      stalled.once('drain', () => {
        clearTimeout(waiting);
        write();
      });
    };
    write();
  });

  const results = await Promise.all(
    Array.from({ length: STREAMS }, () => echoes(path, randomInt(200_000))),
  );
  t.equal(results.filter(Boolean).length, STREAMS);
  for (const { control } of [low, high]) {
    await eventually(async () => {
      const left = (await control.streams()).length;
      if (left !== 1) throw new Error(`${left} streams, only the stalled one is to be left`);
    });
  }
});
