/**
 * The shipped unit under a real systemd, from start to stop: what it is told, what it does by itself, and
 * that its sandbox lets Node and the daemon work.
 */
import t, { type Test } from 'tap';
import { prepared } from './lab.js';
import type { Machine } from './machine.js';
import {
  ACTIVE,
  bootService,
  CONFIG,
  HYPERVISOR,
  startHypervisor,
  stepsOf,
  UNIT,
} from './service-machine.js';

const INTERESTING =
  /Main process exited|Watchdog|Reload|Start(ing|ed) |Stop|serving|configuration|stopping/;

/** The lives of the unit, without most of the starts that found no hypervisor: all is in the lab's logs/. */
async function remark(t: Test, machine: Machine): Promise<void> {
  const lines = (await machine.journal(UNIT)).trimEnd().split('\n');
  const told = lines.filter(line => INTERESTING.test(line));
  for (const line of told.length > 70 ? [...told.slice(0, 50), '...', ...told.slice(-20)] : told) {
    t.comment(line);
  }
}

t.test('the shipped unit, under systemd', { skip: prepared() }, async t => {
  const step = stepsOf(t);
  const machine = await bootService(t, 'service', 'drain-timeout: 2s\n');
  t.teardown(() => remark(t, machine));

  await step('starts, and is ready when it serves', async t => {
    const { code, stderr } = await machine.run(`systemctl start ${UNIT}`);
    t.equal(code, 0, stderr || 'systemctl start');
    const { StatusText, User } = await machine.until(UNIT, ACTIVE);
    t.equal(StatusText, 'serving');
    t.equal(User, 'xsock');
    t.match(await machine.output('xsock status'), /domain 0|domid/i);
  });

  await step('a good reload is told of as one', async t => {
    machine.write(CONFIG, 'drain-timeout: 3s\nexports: [{name: a, target: "unix:/run/a"}]\n');
    const { code, stderr } = await machine.run(`systemctl reload ${UNIT}`);
    t.equal(code, 0, stderr || 'systemctl reload');
    await machine.until(UNIT, { ...ACTIVE, StatusText: 'serving' });
    t.match(await machine.output('xsock ls'), /unix:\/run\/a/, 'it is in force at once');
  });

  await step('a reload of a broken file fails, and the daemon goes on as before', async t => {
    const before = await machine.show(UNIT);
    machine.write(CONFIG, 'exports: [{name: a/b}]\n');
    const { code } = await machine.run(`systemctl reload ${UNIT}`);
    t.not(code, 0, 'systemctl reload fails');
    const after = await machine.until(UNIT, ACTIVE);
    t.equal(after.MainPID, before.MainPID, 'the same process');
    t.match(after.StatusText, /reload failed/, 'systemctl status says so');
    t.match(await machine.journal(UNIT), /xsock.yaml:1:/, 'the journal has the place');
    t.match(await machine.output('xsock ls'), /unix:\/run\/a/);
    machine.write(CONFIG, 'drain-timeout: 2s\n');
    t.equal((await machine.run(`systemctl reload ${UNIT}`)).code, 0, 'and it can be mended');
    await machine.until(UNIT, { ...ACTIVE, StatusText: 'serving' });
  });

  await step('a daemon that hangs is started again by the watchdog', async t => {
    machine.write(
      `/etc/systemd/system/${UNIT}.d/watchdog.conf`,
      '[Service]\nWatchdogSec=6\nTimeoutAbortSec=3\n',
    );
    await machine.output(`systemctl daemon-reload && systemctl restart ${UNIT}`);
    const before = await machine.until(UNIT, ACTIVE);
    await machine.output(`kill -STOP ${before.MainPID}`);
    const after = await machine.until(UNIT, { ...ACTIVE, NRestarts: /^[1-9]/ });
    t.not(after.MainPID, before.MainPID);
    t.match(await machine.journal(UNIT), /Watchdog timeout/);
    t.equal((await machine.run('xsock status')).code, 0, 'it serves again');
    await machine.output(`rm /etc/systemd/system/${UNIT}.d/watchdog.conf`);
    await machine.output(`systemctl daemon-reload && systemctl restart ${UNIT}`);
  });

  await step('comes back by itself when the hypervisor was away for long', async t => {
    await machine.until(UNIT, ACTIVE);
    machine.write(
      `/etc/systemd/system/${UNIT}.d/impatient.conf`,
      // The limit that counts here is that of starts, whatever the pause between them is.
      '[Service]\nRestartSec=100ms\n',
    );
    await machine.output('systemctl daemon-reload');
    await machine.output(`systemctl stop ${HYPERVISOR}`);
    await machine.until(UNIT, { NRestarts: /^1[5-9]|^[2-9]\d/ });
    t.match(await machine.journal(UNIT), /status=69/, 'it has ended for want of a hypervisor');
    await startHypervisor(machine);
    await machine.until(UNIT, ACTIVE);
    t.equal((await machine.run('xsock status')).code, 0);
  });

  await step('stops in order and within its time', async t => {
    const { code, stderr } = await machine.run(`systemctl stop ${UNIT}`);
    t.equal(code, 0, stderr || 'systemctl stop');
    const { Result, ExecMainStatus } = await machine.until(UNIT, { ActiveState: 'inactive' });
    t.strictSame([Result, ExecMainStatus], ['success', '0']);
    t.notMatch(
      await machine.journal(UNIT),
      /stop-sigterm|SIGKILL.*stop/,
      'nobody had to be killed',
    );
    t.equal((await machine.run('test -e /run/xsock')).code, 1, 'its run directory is gone');
  });
});
