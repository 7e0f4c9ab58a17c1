/**
 * A target whose directory is root's alone, as xend's is, under the shipped unit: what the log says, and that each
 * remedy of docs/configuration.md works as it stands there.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { prepared } from './lab.js';
import { bootService, stepsOf, UNIT } from './service-machine.js';

/** Made anew at each start, as xend does it. */
const XEND_UNIT = `[Service]
Type=notify
NotifyAccess=all
ExecStart=/usr/bin/python3 /usr/local/bin/xend
`;

const XEND = `import os, shutil, socket, subprocess
shutil.rmtree('/run/xend', ignore_errors=True)
os.mkdir('/run/xend', 0o700)
os.chown('/run/xend', 0, 0)
server = socket.socket(socket.AF_UNIX)
server.bind('/run/xend/xmlrpc.sock')
server.listen()
subprocess.run(['systemd-notify', '--ready'], check=True)
while True:
    client, _ = server.accept()
    client.sendall(b'xend answers')
    client.close()
`;

const CONFIG = `exports:
  - { name: xend, target: "unix:/var/run/xend/xmlrpc.sock", self: true }
`;

/** The drop-ins of the documentation, by their path. */
function documented(): Map<string, string> {
  const path = fileURLToPath(new URL('../../../docs/configuration.md', import.meta.url));
  const text = readFileSync(path, 'utf8');
  const blocks = [...text.matchAll(/^( *)```ini\n\s*# (\S+)\n(.*?)^ *```$/gms)];
  return new Map(
    blocks.map(([, indent = '', file = '', body = '']) => [
      file,
      body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    ]),
  );
}

t.test('a target of root alone', { skip: prepared() }, async t => {
  const step = stepsOf(t);
  const machine = await bootService(t, 'target-access', CONFIG);
  machine.write('/usr/local/bin/xend', XEND);
  machine.write('/etc/systemd/system/xend.service', XEND_UNIT);
  await machine.output('systemctl daemon-reload');
  const restart = async (): Promise<void> => {
    await machine.output('systemctl daemon-reload');
    await machine.output(`systemctl restart xend ${UNIT}`);
    await eventually(() => machine.output('test -S /run/xsock/0/xend'));
  };
  const call = async (): Promise<string> =>
    (await machine.run('xsock cat 0 xend </dev/null')).stdout;
  const dropIns = documented();

  await step('is refused, and the log says what to do', async t => {
    await restart();
    t.equal(await call(), '');
    await eventually(async () => {
      const journal = await machine.journal(UNIT);
      for (const text of ['xmlrpc.sock: Permission denied', 'Targets of other users']) {
        if (!journal.includes(text)) throw new Error(`the journal has no '${text}': ${journal}`);
      }
    });
  });

  const remedies = [
    { file: '/etc/systemd/system/xsockd.service.d/permissions.conf' },
    { file: '/etc/systemd/system/xsockd.service.d/xend.conf' },
    { file: '/etc/systemd/system/NAME.service.d/xsock.conf' },
  ];
  for (const { file } of remedies) {
    await step(`is served with ${file}`, async t => {
      const body = dropIns.get(file) ?? '';
      t.not(body, '', 'it is in the documentation');
      const here = file.replace('NAME', 'xend');
      machine.write(here, body.replaceAll('/NAME.sock', '/xmlrpc.sock').replaceAll('NAME', 'xend'));
      await restart();
      t.equal(await call(), 'xend answers');
      await machine.output('systemctl restart xend');
      t.equal(await call(), 'xend answers', 'also after a restart of the target');
      await machine.output(`rm ${here}`);
      await restart();
      t.equal(await call(), '', 'and without it is refused again');
    });
  }

  await step('a group lets the daemon in as well', async t => {
    const file = '/etc/systemd/system/xsockd.service.d/groups.conf';
    const body = dropIns.get(file) ?? '';
    t.not(body, '', 'it is in the documentation');
    await machine.output('groupadd --system postgres');
    machine.write(file, body);
    await restart();
    await machine.output('chgrp -R postgres /run/xend && chmod -R g+rwx /run/xend');
    t.equal(await call(), 'xend answers');
  });
});
