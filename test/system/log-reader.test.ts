/** Whoever reads a daemon's log goes away, or stalls: the daemon serves on, and ends in order. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync } from 'node:fs';
import t, { type Test } from 'tap';
import { ControlClient } from '../../daemon/control/client.js';
import { eventually } from '../support/eventually.js';
import { findProgram, installed } from '../support/installed.js';
import { XSOCKD } from '../support/run-program.js';
import { echo, echoes, serve } from '../support/streams.js';
import { socketOf, stopDaemon, Testbed } from '../support/testbed.js';

const exported = (testbed: Testbed) =>
  `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`;

async function setUp(t: Test) {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  const high = await testbed.daemon(3, exported(testbed));
  const low = await testbed.daemon(0);
  const path = await socketOf(low, 3, 'echo');
  return { high, low, path };
}

t.test('it goes away', async t => {
  const { high, low, path } = await setUp(t);
  low.process.child.stderr.destroy();
  high.process.child.stderr.destroy();
  for (let i = 0; i < 5; i += 1) t.ok(await echoes(path, 1000), 'streams are logged, and served');
  t.match(await low.control.status(), { pid: low.process.child.pid });
  t.equal(await stopDaemon(low), 0, 'ends in order');
  t.equal(await stopDaemon(high), 0, 'ends in order');
});

t.test('it stalls, and comes back', async t => {
  const { high, low, path } = await setUp(t);
  const { child } = low.process;
  child.stderr.pause();
  // A stream is two lines of some 200 bytes; the socket and the daemon hold less than 1.5 MiB.
  for (let i = 0; i < 80; i += 1) {
    await Promise.all(Array.from({ length: 100 }, () => echoes(path, 10)));
  }
  t.match(await low.control.status(), { pid: child.pid });
  child.stderr.resume();
  await eventually(async () => {
    if (!/[1-9]\d* log lines were dropped/.test(low.log())) throw new Error('not told');
  });
  t.pass('the number of lines that are missing is told');
  child.stderr.pause();
  for (let i = 0; i < 80; i += 1) {
    await Promise.all(Array.from({ length: 100 }, () => echoes(path, 10)));
  }
  const stopped = new Promise<number | null>(resolve => child.once('exit', resolve));
  child.kill('SIGTERM');
  t.equal(await stopped, 0, 'ends in order although its last lines cannot be written');
  child.stderr.resume();
  t.equal(await stopDaemon(high), 0);
});

/** Starts a program with a terminal as its standard error, whose output nobody takes. */
const STOPPED_TERMINAL = `
import os, pty, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stderr=slave)
print(child.pid, flush=True)
sys.exit(child.wait())
`;

t.test('it is a terminal whose output is stopped', { skip: installed('python3') }, async t => {
  const testbed = await Testbed.start(t);
  await serve(t, testbed.path('echo'), echo);
  const config = testbed.writeConfig(
    0,
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", self: true}]\n`,
  );
  const run = testbed.path('r0');
  const python = spawn(findProgram('python3') ?? '', [
    ...['-c', STOPPED_TERMINAL, process.execPath, XSOCKD, '--config', config, '--run', run],
    ...['--loopback', testbed.path('m/domains/0'), '--log-level', 'debug'],
  ]);
  const [line] = (await once(python.stdout, 'data')) as [Buffer];
  const pid = Number(line);
  const ended = once(python, 'exit');
  t.teardown(() => {
    // With it goes the terminal; a daemon that is left ends with its machine.
    python.kill('SIGKILL');
  });
  const path = `${run}/0/echo`;
  await eventually(async () => lstatSync(path));
  // A terminal holds some 64 KiB at most.
  for (let i = 0; i < 10; i += 1) {
    await Promise.all(Array.from({ length: 100 }, () => echoes(path, 10)));
  }
  t.match(await new ControlClient(run).status(), { pid });
  process.kill(pid, 'SIGTERM');
  t.same(await ended, [0, null]);
});
