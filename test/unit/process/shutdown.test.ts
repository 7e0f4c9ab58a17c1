import { EventEmitter } from 'node:events';
import t from 'tap';
import { watchShutdown } from '../../../daemon/process/shutdown.js';

t.test('the first signal asks, the second hurries', async t => {
  const source = new EventEmitter();
  const { requested, hurried } = watchShutdown(source);
  let inHurry = false;
  void hurried.then(() => {
    inHurry = true;
  });
  source.emit('SIGTERM');
  t.strictSame(await requested, { kind: 'signal', signal: 'SIGTERM' });
  t.equal(inHurry, false);
  source.emit('SIGINT');
  await hurried;
  t.equal(inHurry, true);
});

t.test('the first cause decides', async t => {
  const source = new EventEmitter();
  const { requested, request } = watchShutdown(source);
  request({ kind: 'hypervisor-gone', detail: 'it ended' });
  source.emit('SIGTERM');
  t.strictSame(await requested, { kind: 'hypervisor-gone', detail: 'it ended' });
});
