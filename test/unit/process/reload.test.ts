import t from 'tap';
import type { Config } from '../../../daemon/config/config.js';
import { parseConfig } from '../../../daemon/config/load.js';
import { XsockError } from '../../../daemon/errors.js';
import { Reloader } from '../../../daemon/process/reload.js';

function configOf(text: string): Config {
  return parseConfig([{ path: '/c.yaml', text }]);
}

/** Loads `texts` one after the other; an Error is thrown instead. */
function reloader(...texts: readonly (string | Error)[]) {
  const told: string[] = [];
  const applied: Config[] = [];
  const queue = [...texts];
  const reloader = new Reloader({
    initial: configOf('run: /run/a'),
    now: () => 5000,
    load: async () => {
      const next = queue.shift() ?? new Error('nothing to load');
      if (next instanceof Error) throw next;
      return configOf(next);
    },
    apply: async config => {
      applied.push(config);
      return [`change ${applied.length}`];
    },
    judge: async ({ drainTimeout }) =>
      drainTimeout === 7000
        ? [{ file: '/c.yaml', line: 1, column: 1, path: 'x', message: 'odd' }]
        : [],
    notifier: {
      reloading: () => told.push('reloading'),
      ready: status => told.push(`ready: ${status}`),
    },
  });
  return { reloader, told, applied };
}

t.test('a reload is applied and reported', async t => {
  const { reloader: subject, told, applied } = reloader('run: /run/a\ndrain-timeout: 3s');
  t.equal(subject.last, null);
  t.strictSame(await subject.reload(), { changes: ['change 1'], warnings: [] });
  t.same(subject.last, { at: 5000, ok: true, error: null });
  t.equal(applied[0]?.drainTimeout, 3000);
  t.strictSame(told, ['reloading', 'ready: serving']);
});

t.test('a bad configuration changes nothing, and the next one is read', async t => {
  const bad = new XsockError('CONFIG_INVALID', 'bad');
  const { reloader: subject, told, applied } = reloader(bad, 'run: /run/a');
  const both = [subject.reload(), subject.reload()] as const;
  await t.rejects(both[0], bad);
  t.match(await both[1], { changes: ['change 1'] });
  t.equal(applied.length, 1);
  t.strictSame(told.slice(0, 3), [
    'reloading',
    'ready: serving; the last reload failed, the earlier configuration is in force',
    'reloading',
  ]);
});

t.test('the last result is kept', async t => {
  const { reloader: subject } = reloader(new XsockError('CONFIG_INVALID', 'bad'), 'run: /run/a');
  t.equal(subject.last, null);
  await t.rejects(subject.reload());
  t.same(subject.last, { at: 5000, ok: false, error: 'bad' });
  await subject.reload();
  t.same(subject.last, { at: 5000, ok: true, error: null });
});

t.test('warnings about the new configuration are reported, too', async t => {
  const { reloader: subject } = reloader('drain-timeout: 7s\nrun: /run/a');
  t.same((await subject.reload()).warnings, ['/c.yaml:1:1: x: warning: odd']);
});

t.test('the run directory stays', async t => {
  const { reloader: subject, applied } = reloader('run: /run/b');
  t.match(await subject.reload(), { warnings: [/from \/run\/a to \/run\/b needs a restart/] });
  t.equal(applied[0]?.run, '/run/a');
});
