import { resolve } from 'node:path';
import t from 'tap';
import { parseDaemonOptions, type Surroundings } from '../../../daemon/process/options.js';

const PLAIN: Surroundings = { loopback: undefined, xen: false };

t.test('what is to be done', async t => {
  t.strictSame(parseDaemonOptions(['--loopback', '/m/domains/0'], PLAIN), {
    kind: 'run',
    config: '/etc/xsock/xsock.yaml',
    hypervisor: { kind: 'loopback', domainDir: '/m/domains/0' },
    overrides: { run: undefined, logLevel: undefined },
  });
  t.strictSame(
    parseDaemonOptions(
      ['--hypervisor', 'loopback', '--config', 'c.yaml', '--run', 'r', '--log-level', 'debug'],
      { loopback: '/from/environment', xen: true },
    ),
    {
      kind: 'run',
      config: resolve('c.yaml'),
      hypervisor: { kind: 'loopback', domainDir: '/from/environment' },
      overrides: { run: resolve('r'), logLevel: 'debug' },
    },
  );
  t.match(parseDaemonOptions(['--loopback', '/a'], { ...PLAIN, loopback: '/b' }), {
    hypervisor: { kind: 'loopback', domainDir: '/a' },
  });
  t.strictSame(parseDaemonOptions(['--check', '--config', '/c'], PLAIN), {
    kind: 'check',
    config: '/c',
  });
  t.strictSame(parseDaemonOptions(['--version'], PLAIN), { kind: 'version' });
  t.strictSame(parseDaemonOptions(['-h'], PLAIN), { kind: 'help' });
});

t.test('the hypervisor is chosen by itself', async t => {
  const xen: Surroundings = { loopback: undefined, xen: true };
  t.match(parseDaemonOptions([], xen), { hypervisor: { kind: 'xen' } });
  t.match(parseDaemonOptions(['--hypervisor', 'xen'], PLAIN), { hypervisor: { kind: 'xen' } });
  t.match(parseDaemonOptions(['--loopback', '/a'], xen), { hypervisor: { kind: 'loopback' } });
  t.match(parseDaemonOptions([], { ...xen, loopback: '/a' }), { hypervisor: { kind: 'loopback' } });
  t.throws(() => parseDaemonOptions(['--hypervisor', 'loopback'], xen), { code: 'USAGE' });
  t.throws(() => parseDaemonOptions(['--hypervisor', 'xen', '--loopback', '/a'], xen), {
    code: 'USAGE',
  });
});

t.test('usage errors', async t => {
  for (const [argv, message] of [
    [[], /this is no Xen domain/],
    [['--loopback', ''], /this is no Xen domain/],
    [['--hypervisor', 'kvm', '--loopback', '/a'], /'xen' or 'loopback', not 'kvm'/],
    [['--log-level', 'loud', '--loopback', '/a'], /trace, debug.*not 'loud'/],
    [['--config', '', '--loopback', '/a'], /--config is empty/],
    [['--run', '', '--loopback', '/a'], /--run is empty/],
    [['--colour'], /--colour/],
    [['extra'], /extra/],
  ] as const) {
    t.throws(() => parseDaemonOptions(argv, PLAIN), { code: 'USAGE', message }, argv.join(' '));
  }
});
