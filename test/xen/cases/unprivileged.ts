/** The daemons as user xsock, with the rights that the package's udev rule gives and no others. */
import type { Test } from 'tap';
import type { Domain } from '../domain.js';
import { INSTALLED } from '../package.js';
import { type Domains, startDaemons, stopDaemons } from './domains.js';
import { configOf, ECHO_TARGET } from './services.js';

/** As in the /etc/passwd and /etc/group of the images. */
const XSOCK = { uid: 990, gid: 990 } as const;
const DEVICES = ['gntalloc', 'gntdev', 'evtchn', 'xenbus'] as const;

/** What a user does by hand, and systemd at boot: rule, devices, run directory. */
async function allow(domain: Domain): Promise<void> {
  const devices = DEVICES.map(name => `/dev/xen/${name}`).join(' ');
  await domain.run([
    'sh',
    '-ec',
    `mkdir -p /etc/udev/rules.d /run/xsock
    cp ${INSTALLED}/systemd/rules.d/70-xsock.rules /etc/udev/rules.d/
    /lib/systemd/systemd-udevd --daemon
    udevadm=/lib/systemd/udevadm
    $udevadm trigger --action=add --subsystem-match=misc
    $udevadm settle
    $udevadm control --exit
    stat -c '%U:%G %a' ${devices}
    chown xsock:xsock /run/xsock
    chmod 666 ${ECHO_TARGET}`,
  ]);
}

export async function unprivileged(t: Test, domains: Domains): Promise<void> {
  const all = [domains.dom0, domains.domu1, domains.domu2];
  await stopDaemons(domains);
  await t.test('before the rule: an error that names the rule', async t => {
    const guest = domains.domu1;
    await guest.ask('start', {
      name: 'refused',
      argv: ['node', `${INSTALLED}/dist/daemon/main.js`, '--run', '/tmp/refused'],
      ...XSOCK,
    });
    const { code } = await guest.ask('ended', { name: 'refused' });
    t.equal(code, 69, 'EX_UNAVAILABLE');
    t.match(await guest.ask('said', { name: 'refused', pattern: 'xenbus' }), /70-xsock\.rules/);
  });
  for (const domain of all) {
    await allow(domain);
    for (const name of DEVICES) {
      const rights = await domain.run(['stat', '-c', '%G %a', `/dev/xen/${name}`]);
      t.equal(rights.trim(), 'xsock 660', `${domain.name}: ${name}`);
    }
    const others = all.filter(other => other !== domain);
    await domain.startDaemon(configOf(domain, others), XSOCK);
  }
  for (const from of all) {
    for (const to of all) {
      const path = await from.socket(to, 'echo');
      const { equal } = await from.ask('echo', { path, bytes: 100_000, count: 5 });
      t.equal(equal, 5, `${from.name} to ${to.name}`);
    }
  }
  await stopDaemons(domains);
  await startDaemons(domains);
}
