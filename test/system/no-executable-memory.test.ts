/** As the systemd unit runs it: no memory that is writable and executable, which Node's compilers want. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ControlClient } from '../../daemon/control/client.js';
import { eventually } from '../support/eventually.js';
import { XSOCKD } from '../support/run-program.js';
import { echo, echoes, serve } from '../support/streams.js';
import { Testbed } from '../support/testbed.js';

const UNIT = fileURLToPath(new URL('../../../systemd/xsockd.service', import.meta.url));
/** PR_SET_MDWE with PR_MDWE_REFUSE_EXEC_GAIN (Linux 6.3): what MemoryDenyWriteExecute= asks of the kernel. */
const DENY = `import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0: sys.exit(77)
if len(sys.argv) > 1: os.execv(sys.argv[1], sys.argv[1:])`;

const { status } = spawnSync('python3', ['-c', DENY]);
const skip = status === 0 ? false : 'this kernel has no PR_SET_MDWE, or there is no python3';

t.test('a daemon with the options of the unit serves', { skip }, async t => {
  const options = /^Environment="NODE_OPTIONS=(.*)"$/m.exec(readFileSync(UNIT, 'utf8'))?.[1];
  t.match(options, /--jitless/);
  const testbed = await Testbed.start(t);
  await serve(t, testbed.path('echo'), echo);
  const target = `unix:${testbed.path('echo')}`;
  const config = testbed.writeConfig(0, `exports: [{name: echo, target: "${target}", self: true}]`);
  const run = testbed.path('r0');
  const daemon = spawn(
    'python3',
    [
      ...['-c', DENY, process.execPath, XSOCKD, '--config', config, '--run', run],
      ...['--loopback', join(testbed.directory, 'm/domains/0')],
    ],
    { env: { ...process.env, NODE_OPTIONS: options }, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  t.teardown(() => daemon.kill('SIGKILL'));
  await eventually(() => new ControlClient(run).status());
  t.ok(await echoes(join(run, '0/echo'), 100_000));
  daemon.kill('SIGTERM');
  t.same(await once(daemon, 'exit'), [0, null]);
});
