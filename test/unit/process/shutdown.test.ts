import { EventEmitter } from 'node:events';
import t from 'tap';
import { Shutdown, watchSignals } from '../../../daemon/process/shutdown.js';

t.test('the first signal requests the end, the second cuts the drain short', async t => {
  const source = new EventEmitter();
  const { requested, hurried } = new Shutdown(watchSignals(source));
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
  const shutdown = new Shutdown(watchSignals(source));
  shutdown.request({ kind: 'hypervisor-gone', detail: 'it ended' });
  source.emit('SIGTERM');
  t.strictSame(await shutdown.requested, { kind: 'hypervisor-gone', detail: 'it ended' });
});

t.test('a signal ends the next run as well, should it come while one is over', async t => {
  const source = new EventEmitter();
  const signals = watchSignals(source);
  new Shutdown(signals).request({ kind: 'restored' });
  source.emit('SIGTERM');
  const next = new Shutdown(signals);
  t.strictSame(await next.requested, { kind: 'signal', signal: 'SIGTERM' });
});
