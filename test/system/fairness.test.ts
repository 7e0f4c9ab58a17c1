/** A bulk stream does not starve an interactive one on the same link. */
import { once } from 'node:events';
import t from 'tap';
import { dial, echo, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

const ROUNDS = 300;

t.test('an interactive stream gets its answers while a bulk stream takes all it can', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  let swallowed = 0;
  await serve(t, testbed.path('sink'), socket => {
    socket.on('data', (chunk: Buffer) => {
      swallowed += chunk.length;
    });
  });
  const exported = (name: string) =>
    `{name: ${name}, target: "unix:${testbed.path(name)}", allow: [0]}`;
  await testbed.daemon(3, `exports: [${exported('echo')}, ${exported('sink')}]\n`);
  const low = await testbed.daemon(0);
  const bulk = await dial(await socketOf(low, 3, 'sink'));
  t.teardown(() => bulk.destroy());
  const block = Buffer.alloc(1 << 20);
  const write = (): void => {
    while (!bulk.destroyed && bulk.write(block)) {}
  };
  bulk.on('drain', write);
  write();

  const interactive = await dial(await socketOf(low, 3, 'echo'));
  t.teardown(() => interactive.destroy());
  const before = swallowed;
  for (let round = 0; round < ROUNDS; round++) {
    const answer = once(interactive, 'data');
    interactive.write(`round ${round}`);
    t.equal(String((await answer)[0]), `round ${round}`);
  }
  t.ok(swallowed > before, 'and the bulk stream went on meanwhile');
});
