/** Which Node runs the programs, and what SIGUSR1 and SIGUSR2 do not do, from the first moment on. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { OLDEST_NODE, refusal } from '../../daemon/preflight.js';
import { eventually } from '../support/eventually.js';
import { type Running, startProgram, XSOCK, XSOCKD } from '../support/run-program.js';
import { echo, serve } from '../support/streams.js';
import { temporaryDirectory } from '../support/temp-directory.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test('an old Node is refused with one line', async t => {
  const verdict = (node: string) =>
    refusal('xsockd', { versions: { node }, execPath: '/usr/bin/node' });
  t.equal(verdict('18.20.4'), 'xsockd needs Node 20.11 or newer, this is 18.20.4 (/usr/bin/node)');
  for (const old of ['12.22.12', '20.10.0', '19.9.0']) t.match(verdict(old), `this is ${old} `);
  for (const good of ['20.11.0', '20.20.2', '21.0.0', '100.0.0']) t.equal(verdict(good), undefined);
});

t.test('package.json asks npm for the same', async t => {
  const path = fileURLToPath(new URL('../../../package.json', import.meta.url));
  const { engines } = JSON.parse(readFileSync(path, 'utf8')) as { engines: { node: string } };
  t.equal(engines.node, `>=${OLDEST_NODE}`);
});

t.test('the entry points and their imports can be parsed by an old Node', async t => {
  for (const file of ['main.js', 'cli/main.js', 'preflight.js']) {
    const path = fileURLToPath(new URL(`../../daemon/${file}`, import.meta.url));
    const text = readFileSync(path, 'utf8');
    t.notMatch(text, /\?\?|\?\.[a-z[(]|\bawait\b|\b(with|assert) \{/, file);
    t.notMatch(text, /^import .* from '(?!\.{1,2}\/preflight)/m, file);
  }
});

/** Sends both signals; they are handled in their order, before any that come later. */
function provoke({ child }: Running): void {
  child.kill('SIGUSR1');
  child.kill('SIGUSR2');
}

t.test('a daemon that is only starting', async t => {
  const directory = temporaryDirectory(t);
  const xenstored = createServer();
  t.teardown(() => xenstored.close());
  await once(xenstored.listen(join(directory, 'xenstored')), 'listening');
  const config = join(directory, 'xsock.yaml');
  writeFileSync(config, 'exports: []\n');
  const daemon = startProgram(t, XSOCKD, [
    ...['--config', config, '--run', join(directory, 'r'), '--loopback', directory],
  ]);
  const [connection] = (await once(xenstored, 'connection')) as [Socket];
  provoke(daemon);
  connection.destroy();
  const { code, signal, stderr } = await daemon.finished;
  t.strictSame([code, signal], [69, null], 'it ends for want of xenstored');
  t.notMatch(stderr, /Debugger/);
});

t.test('a daemon logs its status at SIGUSR1, and takes no notice of SIGUSR2', async t => {
  const { low } = await Testbed.pair(t, '', '');
  provoke(low.process);
  await eventually(async () => {
    for (const text of ['"msg":"status"', '"msg":"status of a link"']) {
      if (!low.log().includes(text)) throw new Error(`the log has no ${text}`);
    }
  });
  t.match(low.log(), /"peer":3.*"state":"/);
  t.equal((await low.control.status()).pid, low.process.child.pid, 'it serves on');
  t.notMatch(low.log(), /Debugger/);
});

t.test('a loopback machine and xsock cat', async t => {
  const testbed = await Testbed.start(t);
  await serve(t, testbed.path('echo'), echo);
  const low = await testbed.daemon(
    0,
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0], self: true}]\n`,
  );
  await socketOf(low, 0, 'echo');
  const cat = startProgram(t, XSOCK, ['--run', low.run, 'cat', '0', 'echo']);
  cat.child.stdin.write('first');
  await once(cat.child.stdout, 'data');
  provoke(cat);
  cat.child.stdin.end(' second');
  t.match(await cat.finished, { code: 0, stdout: 'first second', stderr: '' });

  const machine = startProgram(t, XSOCK, ['loopback', 'run', '--dir', testbed.path('other')]);
  await once(machine.child.stdout, 'data');
  provoke(machine);
  machine.child.kill('SIGTERM');
  t.match(await machine.finished, { code: 0, stderr: '' });
});
