/** When all daemons have ended, nothing of theirs is left: nodes, event channel ports, grants, sockets. */
import type { Test } from 'tap';
import type { Domain } from '../domain.js';
import type { Domains } from './domains.js';

/** Event channel ports to other domains: what the kernels themselves use is there before the daemons. */
export async function portsOf({ dom0, domu1, domu2 }: Domains): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const domain of [dom0, domu1, domu2]) counts.set(domain.name, await ports(dom0, domain));
  return counts;
}

async function ports(dom0: Domain, domain: Domain): Promise<number> {
  const list = await dom0.run(['sh', '-c', `/usr/lib/xen-*/bin/lsevtchn ${domain.domid}`]);
  return list.split('\n').filter(line => /interdomain|unbound/i.test(line)).length;
}

export async function leakCases(
  t: Test,
  { dom0, domu1, domu2 }: Domains,
  portsBefore: ReadonlyMap<string, number>,
): Promise<void> {
  for (const domain of [dom0, domu1, domu2]) {
    const nodes = await dom0.run(['xenstore-ls', '-f', `/local/domain/${domain.domid}/data`]);
    t.notMatch(nodes, /xsock/, `${domain.name}: no nodes`);
    t.equal(await ports(dom0, domain), portsBefore.get(domain.name), `${domain.name}: no ports`);
    t.match(
      await domain.run(['/opt/test/xen_free_pages', '1024']),
      /1024/,
      `${domain.name}: grants`,
    );
    t.equal(
      await domain.run(['find', '/run/xsock', '-type', 's']),
      '',
      `${domain.name}: no sockets`,
    );
  }
}
