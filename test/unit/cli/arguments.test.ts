import t from 'tap';
import { parseCommandLine } from '../../../daemon/cli/arguments.js';

t.test('verbs', async t => {
  t.match(parseCommandLine(['ls'], undefined), {
    kind: 'verb',
    verb: { name: 'ls' },
    invocation: { operands: [], run: '/run/xsock', json: false },
  });
  t.match(parseCommandLine(['--run', '/r', 'ls', '--json', 'web'], '/e'), {
    invocation: { operands: ['web'], run: '/r', json: true },
  });
  t.match(parseCommandLine(['ls'], '/e'), { invocation: { run: '/e' } });
  t.match(parseCommandLine(['ls'], ''), { invocation: { run: '/run/xsock' } });
  t.match(parseCommandLine(['cat', '--', '0', '-odd'], ''), {
    invocation: { operands: ['0', '-odd'] },
  });
});

t.test('loopback has its own options', async t => {
  t.strictSame(parseCommandLine(['loopback', 'run', '--dir', 'd'], undefined), {
    kind: 'loopback',
    argv: ['run', '--dir', 'd'],
  });
  t.match(parseCommandLine(['help', 'loopback'], undefined), { kind: 'loopback', argv: ['help'] });
});

t.test('usage errors', async t => {
  for (const [argv, message] of [
    [[], /no verb/],
    [['statsu'], /did you mean 'status'/],
    [['loopbakc'], /did you mean 'loopback'/],
    [['frobnicate'], /'xsock help' lists/],
    [['a\u001b[2J'], /'a\\x1b\[2J'/],
    [['status', 'x'], /^usage: xsock status/],
    [['cat', '0'], /^usage: xsock cat <domain>/],
    [['cat', '0', 'a', 'b'], /^usage: xsock cat <domain>/],
    [['cat', '0', 'a', '--json'], /has no --json/],
    [
      ['ls', '--jsn'],
      /^unknown option '--jsn': did you mean '--json'\? \('xsock help' lists the options\)$/,
    ],
    [['--run'], /^'--run' needs a value/],
    [['--run', '', 'ls'], /--run/],
    [['help', 'nonsense'], /there is no verb 'nonsense'/],
    [['help', 'ls', 'cat'], /usage: xsock help/],
  ] as const) {
    t.throws(() => parseCommandLine(argv, undefined), { code: 'USAGE', message }, argv.join(' '));
  }
});
