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
    run: undefined,
  });
  t.match(parseDaemonOptions(['--check', '--run', '/r'], PLAIN), { kind: 'check', run: '/r' });
  t.strictSame(parseDaemonOptions(['--version'], PLAIN), { kind: 'version' });
  t.strictSame(parseDaemonOptions(['-h'], PLAIN), { kind: 'help' });
});

t.test('the hypervisor is chosen automatically', async t => {
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
    [
      ['--run', `/${'r'.repeat(90)}`],
      /^--run '\/r+': a path of at most 90 bytes \(this one has 91\) is needed \('xsockd --help'/,
    ],
    [['--colour'], /^unknown option '--colour' \('xsockd --help' lists the options\)$/],
    [['--confg', 'x'], /^unknown option '--confg': did you mean '--config'\? \(/],
    [['--check=yes'], /^'--check' takes no value \(/],
    [['--config'], /^'--config' needs a value \(/],
    [['--config', '--run'], /^'--config' needs a value: '--run' looks like an option/],
    [['-x'], /^unknown option '-x' \(/],
    [['--\u001b[2J'], /^unknown option '--\\x1b\[2J' \(/],
    [['extra'], /^'extra' is no option, and operands are not taken \(/],
  ] as const) {
    t.throws(() => parseDaemonOptions(argv, PLAIN), { code: 'USAGE', message }, argv.join(' '));
  }
});
