import { resolve } from 'node:path';
import t from 'tap';
import { parseDaemonOptions } from '../../../daemon/process/options.js';

t.test('what is to be done', async t => {
  t.strictSame(parseDaemonOptions(['--loopback', '/m/domains/0'], undefined), {
    kind: 'run',
    config: '/etc/xsock/xsock.yaml',
    loopbackDir: '/m/domains/0',
    overrides: { run: undefined, logLevel: undefined },
  });
  t.strictSame(
    parseDaemonOptions(
      ['--hypervisor', 'loopback', '--config', 'c.yaml', '--run', 'r', '--log-level', 'debug'],
      '/from/environment',
    ),
    {
      kind: 'run',
      config: resolve('c.yaml'),
      loopbackDir: '/from/environment',
      overrides: { run: resolve('r'), logLevel: 'debug' },
    },
  );
  t.match(parseDaemonOptions(['--loopback', '/a'], '/b'), { loopbackDir: '/a' });
  t.strictSame(parseDaemonOptions(['--check', '--config', '/c'], undefined), {
    kind: 'check',
    config: '/c',
  });
  t.strictSame(parseDaemonOptions(['--version'], undefined), { kind: 'version' });
  t.strictSame(parseDaemonOptions(['-h'], undefined), { kind: 'help' });
});

t.test('usage errors', async t => {
  for (const [argv, message] of [
    [[], /no hypervisor given/],
    [['--loopback', ''], /no hypervisor given/],
    [['--hypervisor', 'kvm', '--loopback', '/a'], /'loopback', not 'kvm'/],
    [['--log-level', 'loud', '--loopback', '/a'], /trace, debug.*not 'loud'/],
    [['--config', '', '--loopback', '/a'], /--config is empty/],
    [['--run', '', '--loopback', '/a'], /--run is empty/],
    [['--colour'], /--colour/],
    [['extra'], /extra/],
  ] as const) {
    t.throws(() => parseDaemonOptions(argv, undefined), { code: 'USAGE', message }, argv.join(' '));
  }
});
