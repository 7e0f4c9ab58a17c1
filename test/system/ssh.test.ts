/** ssh through `xsock cat` as its ProxyCommand, to an sshd that is started for each connection. */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { findProgram, installed } from '../support/installed.js';
import { output } from '../support/programs.js';
import { XSOCK } from '../support/run-program.js';
import { serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

/** sshd drops its privileges into a chroot that has to be there. */
const PRIVILEGE_SEPARATION = '/run/sshd';

t.test(
  'ssh runs a command in the other domain',
  {
    skip:
      installed('ssh', 'sshd', 'ssh-keygen') ||
      (process.getuid?.() === 0 ? false : 'sshd -i needs root to open a session'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'host');
    const directory = testbed.path('ssh');
    mkdirSync(directory);
    mkdirSync(PRIVILEGE_SEPARATION, { recursive: true });
    const host = join(directory, 'host');
    const user = join(directory, 'user');
    for (const key of [host, user]) {
      await output('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    }
    const authorized = join(directory, 'authorized');
    writeFileSync(authorized, (await output('ssh-keygen', ['-y', '-f', user])).toString());
    chmodSync(authorized, 0o600);
    const config = join(directory, 'sshd_config');
    writeFileSync(
      config,
      `HostKey ${host}\nAuthorizedKeysFile ${authorized}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n`,
    );
    const sshd = findProgram('sshd') ?? '';
    const socket = testbed.path('sshd.sock');
    await serve(t, socket, connection => {
      const child = spawn(sshd, ['-i', '-e', '-f', config], { stdio: ['pipe', 'pipe', 'ignore'] });
      child.stdin.on('error', () => connection.destroy());
      connection.pipe(child.stdin);
      child.stdout.pipe(connection);
    });
    await testbed.daemon(
      3,
      `exports: [{name: ssh, port: 22, target: "unix:${socket}", allow: [0]}]\n`,
    );
    const low = await testbed.daemon(0);
    await socketOf(low, 3, 'ssh');
    const ssh = [
      ...['-o', `ProxyCommand=${process.execPath} ${XSOCK} --run ${low.run} cat host ssh`],
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-F', 'none'],
      ...['-o', 'BatchMode=yes', '-q', '-i', user, `${userInfo().username}@host`],
    ];
    t.equal((await output('ssh', [...ssh, 'echo across domains'])).trim(), 'across domains');
    const data = randomBytes(3_000_000).toString('base64');
    t.equal(await output('ssh', [...ssh, 'cat'], { input: data }), data, 'both ways, to the end');
  },
);
