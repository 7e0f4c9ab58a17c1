import { EventEmitter } from 'node:events';
import t from 'tap';
import { limitEnd } from '../../../daemon/process/end-limit.js';
import { Shutdown, watchSignals } from '../../../daemon/process/shutdown.js';

t.test('first pending steps are cancelled, then the process ends', async t => {
  const source = new EventEmitter();
  const told: string[] = [];
  const from = performance.now();
  await new Promise<void>(resolve => {
    limitEnd({
      shutdown: new Shutdown(watchSignals(source)),
      drain: 60_000,
      onLate: () => told.push('late'),
      onOver: () => {
        told.push('over');
        resolve();
      },
    });
    source.emit('SIGTERM');
    source.emit('SIGTERM');
  });
  t.same(told, ['late', 'over']);
  t.ok(performance.now() - from < 30_000, 'the second signal does not wait for the drain');
});

t.test('a run that has ended in time is left alone', async t => {
  const source = new EventEmitter();
  const shutdown = new Shutdown(watchSignals(source));
  const told: string[] = [];
  const ended = limitEnd({
    shutdown,
    drain: 0,
    onLate: () => told.push('late'),
    onOver: () => told.push('over'),
  });
  // Its limits are the same: what it hears the other one would have heard before.
  const other = new Promise<void>(resolve => {
    limitEnd({ shutdown, drain: 0, onLate: () => {}, onOver: resolve });
  });
  source.emit('SIGTERM');
  source.emit('SIGTERM');
  await shutdown.hurried;
  ended();
  await other;
  t.same(told, []);
});
