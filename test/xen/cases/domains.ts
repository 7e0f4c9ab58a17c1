/** The three domains of a boot, with their services and daemons. */
import type { Test } from 'tap';
import type { Domain } from '../domain.js';
import type { XenLab } from '../lab.js';
import { configOf, startServices } from './services.js';

export interface Domains {
  readonly dom0: Domain;
  readonly domu1: Domain;
  readonly domu2: Domain;
}

/** Two guests, with services. */
export async function startGuests(t: Test, lab: XenLab): Promise<Domains> {
  const [domu1, domu2] = await Promise.all([lab.createGuest('domu1'), lab.createGuest('domu2')]);
  const domains = { dom0: lab.dom0, domu1, domu2 };
  t.comment(await lab.dom0.run(['xl', 'list']));
  for (const domain of [lab.dom0, domu1, domu2]) await startServices(domain);
  return domains;
}

export async function startDaemons(domains: Domains): Promise<void> {
  for (const domain of [domains.dom0, domains.domu1, domains.domu2]) {
    await startDaemon(domains, domain);
  }
}

export async function startDaemon({ dom0, domu1, domu2 }: Domains, domain: Domain): Promise<void> {
  const others = [dom0, domu1, domu2].filter(other => other !== domain);
  await domain.startDaemon(configOf(domain, others));
}

export async function stopDaemons({ dom0, domu1, domu2 }: Domains): Promise<void> {
  for (const domain of [domu1, domu2, dom0]) await domain.stopDaemon();
}

/** A guest that is there again, from its kernel up: services and daemon. The others find it by themselves. */
export async function startAgain(domains: Domains, guest: Domain): Promise<void> {
  await startServices(guest);
  await startDaemon(domains, guest);
}

/** No domain is in `xl list` that should not be there, dead or alive. */
export async function noZombies(t: Test, { dom0, domu1, domu2 }: Domains): Promise<void> {
  const list = await dom0.run(['xl', 'list']);
  const domids = list
    .trim()
    .split('\n')
    .slice(1)
    .map(line => Number(line.trim().split(/\s+/)[1]));
  t.same(
    domids.sort((a, b) => a - b),
    [0, domu1.domid, domu2.domid].sort((a, b) => a - b),
    'no zombie',
  );
}
