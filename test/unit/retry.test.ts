/** Work that fails is tried again until it gets through, at its own pace. */
import t from 'tap';
import { Retry } from '../../daemon/retry.js';
import { eventually } from '../support/eventually.js';

t.test('until it succeeds; each reason is reported once', async t => {
  const told: string[] = [];
  const waits: number[] = [];
  let attempts = 0;
  const retry = new Retry({
    work: async () => {
      attempts += 1;
      if (attempts < 3) throw new Error('first');
      if (attempts < 5) throw new Error('second');
    },
    onFailure: error => told.push(String(error)),
    delay: failures => {
      waits.push(failures);
      return 1;
    },
  });
  await retry.run();
  t.equal(retry.problem, 'first');
  await eventually(async () => {
    if (retry.problem !== undefined) throw new Error(retry.problem);
  });
  t.same(told, ['Error: first', 'Error: second']);
  t.same(waits, [1, 2, 3, 4]);
  t.equal(attempts, 5);
});

t.test('one attempt at a time, and one more for requests meanwhile', async t => {
  let running = 0;
  let attempts = 0;
  const retry = new Retry({
    work: async () => {
      attempts += 1;
      running += 1;
      t.equal(running, 1);
      await new Promise(setImmediate);
      running -= 1;
    },
    onFailure: () => t.fail('it does not fail'),
    delay: () => 0,
  });
  await Promise.all([retry.run(), retry.run(), retry.run()]);
  t.equal(attempts, 2);
  await retry.run();
  t.equal(attempts, 3, 'also when nothing is under way');
});

t.test('asking during an attempt that fails does not shorten the pause', async t => {
  let attempts = 0;
  const retry = new Retry({
    work: async () => {
      attempts += 1;
      await new Promise(setImmediate);
      throw new Error('no');
    },
    onFailure: () => {},
    delay: () => 3_600_000,
  });
  await Promise.all([retry.run(), retry.run()]);
  t.equal(attempts, 1);
  await retry.run();
  t.equal(attempts, 2, 'asking afterwards does: something may have changed');
  await retry.stop();
  await retry.run();
  t.equal(attempts, 2, 'nothing after the stop');
});
