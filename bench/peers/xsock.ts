/**
 * xsock as it is installed, with the defaults of its configuration: two domains of a loopback machine.
 * The machine itself plays the hypervisor; it is not in the path of a byte and does not count.
 */
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toDomId } from '../../daemon/ids.js';
import { MachineClient } from '../../daemon/loopback/client.js';
import { type Started, start, until } from '../processes.js';
import { type Peer, stopAll } from './peer.js';

const XSOCK = fileURLToPath(new URL('../../daemon/cli/main.js', import.meta.url));
const XSOCKD = fileURLToPath(new URL('../../daemon/main.js', import.meta.url));
/** NODE_OPTIONS of systemd/xsockd.service. */
const AS_IN_THE_UNIT = ['--max-semi-space-size=1', '--jitless'];
const SERVER_DOMAIN = 3;

async function startDaemon(
  directory: string,
  domid: number,
  exports: string,
  cpu: number | undefined,
): Promise<Started> {
  const config = join(directory, `${domid}.yaml`);
  await writeFile(config, `drain-timeout: 0s\nexports: [${exports}]\n`);
  return start(
    [
      ...[process.execPath, ...AS_IN_THE_UNIT, XSOCKD],
      ...['--config', config, '--run', join(directory, `r${domid}`)],
      ...['--loopback', join(directory, 'm', 'domains', String(domid))],
    ],
    cpu,
  );
}

export const xsock: Peer = {
  id: 'xsock',
  title: 'xsock',
  needs: [],
  version: [process.execPath, XSOCKD, '--version'],
  descriptors: 1,
  async open(directory, placement) {
    const target = join(directory, 'target');
    const front = join(directory, 'r0', String(SERVER_DOMAIN), 'bench');
    const started: Started[] = [];
    try {
      const machine = join(directory, 'm');
      const loopback = [process.execPath, XSOCK, 'loopback', 'run', '--dir', machine];
      started.push(await start(loopback, placement.clientCpu));
      const client = new MachineClient(machine);
      await until('the loopback machine is up', started, () => client.list());
      const domid = toDomId(SERVER_DOMAIN);
      await client.introduce({ name: 'server', ...(domid === undefined ? {} : { domid }) });
      const service = `{name: bench, target: "unix:${target}", allow: [0]}`;
      started.push(await startDaemon(directory, SERVER_DOMAIN, service, placement.serverCpu));
      started.push(await startDaemon(directory, 0, '', placement.clientCpu));
      await until('the service appears', started, () => access(front));
    } catch (error) {
      await stopAll(started);
      throw error;
    }
    return {
      dial: front,
      listen: target,
      pids: started.slice(1).map(one => one.pid),
      ended: () => started.some(one => one.ended()),
      tails: () => started.map(one => one.tail()).join('\n'),
      stop: () => stopAll(started),
    };
  },
};
