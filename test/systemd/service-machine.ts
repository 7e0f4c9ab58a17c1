/** A machine with the shipped unit installed, and beside it a loopback machine that plays Xen for it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { eventually } from '../support/eventually.js';
import { INSTALLED, NODE_LAYER, PACKAGE_LAYER } from './lab.js';
import { Machine } from './machine.js';

export const UNIT = 'xsockd.service';
export const HYPERVISOR = 'loopback-machine.service';
export const CONFIG = '/etc/xsock/xsock.yaml';
export const ACTIVE = { ActiveState: 'active', SubState: 'running' };

/** Plays Xen, as the user of the daemon, in a directory that outlives it. */
export const HYPERVISOR_UNIT = `[Service]
User=xsock
StateDirectory=machine
ExecStart=/usr/bin/xsock loopback run --dir /var/lib/machine
`;

/** What the unit needs besides on a loopback machine. */
export const LOOPBACK_DROP_IN = `[Service]
Environment=XSOCK_LOOPBACK=/var/lib/machine/domains/0
ReadWritePaths=/var/lib/machine
`;

/** The unit is installed as it is shipped, and not started. */
export async function bootService(t: Test, name: string, config: string): Promise<Machine> {
  const shipped = (path: string): string =>
    readFileSync(join(PACKAGE_LAYER, INSTALLED, 'systemd', path), 'utf8');
  const machine = await Machine.boot(t, name, [NODE_LAYER, PACKAGE_LAYER], {
    '/etc/systemd/system/xsockd.service': shipped('xsockd.service'),
    '/usr/lib/sysusers.d/xsock.conf': shipped('sysusers.d/xsock.conf'),
    [`/etc/systemd/system/${HYPERVISOR}`]: HYPERVISOR_UNIT,
    [`/etc/systemd/system/${UNIT}.d/loopback.conf`]: LOOPBACK_DROP_IN,
    [CONFIG]: config,
  });
  await machine.output('systemd-sysusers');
  await startHypervisor(machine);
  return machine;
}

export async function startHypervisor(machine: Machine): Promise<void> {
  await machine.output(`systemctl start ${HYPERVISOR}`);
  await eventually(() => machine.output('test -S /var/lib/machine/domains/0/xenstored'));
}

/** Steps that go on from the one before: after a failure the rest would only wait. */
export function stepsOf(t: Test) {
  return (name: string, body: (t: Test) => Promise<void>, skip?: string) =>
    t.test(name, { skip: t.passing() ? (skip ?? false) : 'a step before it has failed' }, body);
}
