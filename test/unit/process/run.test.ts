/** `xsockd` as a process, from its start to its end, on a loopback machine that runs as another. */
import { on } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { ControlClient } from '../../../daemon/control/client.js';
import { eventually } from '../../support/eventually.js';
import { runProgram, startProgram, XSOCK, XSOCKD } from '../../support/run-program.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

/** Resolves when the program has printed `text` from now on; rejects if it ends before. */
async function printed(stream: Readable, text: string): Promise<void> {
  let heard = '';
  for await (const [chunk] of on(stream, 'data', { close: ['end'] })) {
    heard += String(chunk);
    if (heard.includes(text)) return;
  }
  throw new Error(`it ended without '${text}': ${heard}`);
}

async function startMachine(t: Test) {
  const directory = temporaryDirectory(t);
  const machine = startProgram(t, XSOCK, ['loopback', 'run', '--dir', join(directory, 'm')]);
  await printed(machine.child.stdout, 'is up');
  const config = join(directory, 'xsock.yaml');
  const run = join(directory, 'r');
  writeFileSync(config, 'drain-timeout: 1s\n');
  const args = ['--config', config, '--run', run, '--loopback', join(directory, 'm/domains/0')];
  return { machine, config, run, args };
}

async function startDaemon(t: Test) {
  const surroundings = await startMachine(t);
  const daemon = startProgram(t, XSOCKD, surroundings.args);
  const client = new ControlClient(surroundings.run);
  const status = await eventually(() => client.status());
  return { ...surroundings, daemon, client, status };
}

t.test('it serves, and SIGTERM ends it in order', async t => {
  const { daemon, status, run, config } = await startDaemon(t);
  t.match(status, { pid: daemon.child.pid, domid: 0, hypervisor: 'loopback', run, config });
  daemon.child.kill('SIGTERM');
  t.match(await daemon.finished, { code: 0, signal: null });
  t.notOk(existsSync(join(run, 'control')), 'the control socket is gone');
  t.notOk(
    readdirSync(run).some(name => /^\d+$/.test(name)),
    'the view is gone',
  );
});

t.test('it reads its configuration again', async t => {
  const { daemon, client, config } = await startDaemon(t);
  writeFileSync(config, 'nonsense: 1\n');
  await t.rejects(client.reload(), { code: 'CONTROL_REFUSED', message: `${config}:1:1: nonsense` });
  const logged = printed(daemon.child.stderr, 'reload failed; keeping the current configuration');
  daemon.child.kill('SIGHUP');
  await logged;
  t.match((await client.status()).lastReload, { ok: false, error: /xsock\.yaml:1:1: nonsense/ });
  writeFileSync(config, 'drain-timeout: 2s\n');
  t.ok(Array.isArray((await client.reload()).changes));
  t.match((await client.status()).lastReload, { ok: true, error: null });
  daemon.child.kill('SIGINT');
  t.match(await daemon.finished, { code: 0 });
});

t.test('a second daemon for the same domain is refused, whatever its run directory', async t => {
  const { daemon, args, run, client } = await startDaemon(t);
  const elsewhere = args.map(arg => (arg === run ? `${run}2` : arg));
  const second = await runProgram(t, XSOCKD, elsewhere);
  t.equal(second.code, 75);
  t.match(second.stderr, `process ${daemon.child.pid} `);
  t.ok(await client.status(), 'the first one lives on');
});

t.test('a second daemon for the same run directory is refused', async t => {
  const { daemon, args, client } = await startDaemon(t);
  const second = await runProgram(t, XSOCKD, args);
  t.equal(second.code, 75);
  t.match(second.stderr, String(daemon.child.pid));
  t.ok(await client.status(), 'the first one lives on');
});

t.test('a daemon starts after another was killed', async t => {
  const { daemon, args, client } = await startDaemon(t);
  daemon.child.kill('SIGKILL');
  await daemon.finished;
  const next = startProgram(t, XSOCKD, args);
  t.match(await eventually(() => client.status()), { pid: next.child.pid });
});

t.test('it ends with the hypervisor', async t => {
  const { daemon, machine } = await startDaemon(t);
  machine.child.kill('SIGKILL');
  t.match(await daemon.finished, { code: 69, signal: null });
});

t.test('without a hypervisor it does not start', async t => {
  const { machine, args } = await startMachine(t);
  machine.child.kill('SIGTERM');
  await machine.finished;
  t.match(await runProgram(t, XSOCKD, args), { code: 69, stderr: /does the loopback machine run/ });
});
