/** The unit file, judged by systemd itself and by the program that it starts. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ADMIN_GROUP, READER_GROUP } from '../../../daemon/control/access.js';
import { EXIT_CONFIG, EXIT_USAGE } from '../../../daemon/process/exit-code.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const UNIT = readFileSync(
  fileURLToPath(new URL('../../../../systemd/xsockd.service', import.meta.url)),
  'utf8',
);

function setting(name: string): string | undefined {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(UNIT)?.[1];
}

const noAnalyze =
  spawnSync('systemd-analyze', ['--version']).error === undefined
    ? false
    : 'systemd-analyze is not installed';

t.test('systemd-analyze verify has nothing to say', { skip: noAnalyze }, async t => {
  // It wants the programs to be there, which they are only where xsock is installed.
  const copy = join(temporaryDirectory(t), 'xsockd.service');
  writeFileSync(copy, UNIT.replace(/^(Exec\w+)=.*$/gm, '$1=/bin/true'));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', copy], { encoding: 'utf8' });
  // Other units of the machine may have faults of their own.
  t.notMatch(stderr, 'xsockd.service');
  t.equal(status, 0, stderr);
});

t.test('what the program relies on', async t => {
  t.equal(setting('Type'), 'notify');
  t.equal(setting('ExecStart'), '/usr/bin/xsockd');
  t.equal(setting('ExecReload'), '/usr/bin/xsock reload', 'which waits, and fails with the daemon');
  t.equal(setting('StartLimitIntervalSec'), '0', 'it never gives up');
  t.match(setting('SystemCallFilter'), /@pkey/, 'or Node.js would be killed');
  t.equal(setting('RuntimeDirectory'), 'xsock');
  t.equal(setting('LimitNOFILE'), '65536');
  t.equal(setting('RestartPreventExitStatus'), `${EXIT_USAGE} ${EXIT_CONFIG}`);
  t.equal(setting('MemoryDenyWriteExecute'), 'yes');
  t.match(setting('Environment'), /NODE_OPTIONS=.*--jitless/, 'or Node.js would not start');
});

t.test('the groups that the control socket asks for are made', async t => {
  const users = readFileSync(
    fileURLToPath(new URL('../../../../systemd/sysusers.d/xsock.conf', import.meta.url)),
    'utf8',
  );
  t.match(users, new RegExp(`^u ${READER_GROUP} `, 'm'), 'a user comes with the group of its name');
  t.match(users, new RegExp(`^g ${ADMIN_GROUP} `, 'm'));
});
