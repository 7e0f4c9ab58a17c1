/** The domains that are measured, and what runs in all of them throughout. */
import type { Domain } from '../../test/xen/domain.js';
import type { XenLab } from '../../test/xen/lab.js';

/** Where programs of the bench are in a domain. */
export const LOAD = '/opt/test/stream-load';
export const TARGET = '/tmp/load';
export const PORT = 5000;

/** As systemd/modprobe.d/xsock.conf sets it: room for rings of 1 MiB on every link. */
const GRANTS = 8192;
/** The default of 200 us, times what emulation makes of a wake-up. */
export const POLL_TIME = '5ms';

export interface Pair {
  readonly title: string;
  readonly client: Domain;
  readonly server: Domain;
}

/** In a network of the lab's own: domain 0 is the bridge. */
export const addressOf = ({ name }: Domain): string =>
  ({ dom0: '10.9.0.1', domu1: '10.9.0.2', domu2: '10.9.0.3' })[name] ?? '';

async function startServers(domain: Domain): Promise<void> {
  if (domain.name !== 'dom0') {
    const up = `ip addr add ${addressOf(domain)}/24 dev eth0 && ip link set eth0 up`;
    await domain.run(['sh', '-c', up]);
  }
  await domain.ask('start', { name: 'unix', argv: [LOAD, 'serve', `unix:${TARGET}`] });
  await domain.ask('start', { name: 'tcp', argv: [LOAD, 'serve', `tcp:0.0.0.0:${PORT}`] });
  await domain.ask('appears', { path: TARGET });
}

async function startDaemon(domain: Domain, others: readonly Domain[]): Promise<void> {
  const peers = others.map(({ domid }) => `{ domid: ${domid} }`).join(', ');
  await domain.run(['sh', '-c', `echo ${GRANTS} > /sys/module/xen_gntalloc/parameters/limit`]);
  await domain.startDaemon(`link: { poll-time: ${POLL_TIME} }
exports:
  - { name: load, target: "unix:${TARGET}", allow: [any] }
${domain.name === 'dom0' ? '' : `peers: [${peers}]`}
`);
}

/** Two guests beside domain 0, each with servers and a daemon. */
export async function startPairs(lab: XenLab): Promise<readonly Pair[]> {
  const { dom0 } = lab;
  const domu1 = await lab.createGuest('domu1');
  const domu2 = await lab.createGuest('domu2');
  const all = [dom0, domu1, domu2];
  for (const domain of all) await startServers(domain);
  for (const domain of all) {
    await startDaemon(
      domain,
      all.filter(other => other !== domain),
    );
  }
  return [
    { title: 'guest to guest', client: domu1, server: domu2 },
    { title: 'guest to domain 0', client: domu1, server: dom0 },
  ];
}
