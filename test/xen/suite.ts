/**
 * What is run in one boot. XSOCK_XEN_CASES, names with commas in between, narrows it while one works on
 * something.
 */
import type { Test } from 'tap';
import { contractCases } from './cases/contract.js';
import { type Domains, startDaemons, startGuests, stopDaemons } from './cases/domains.js';
import { laneCases } from './cases/lanes.js';
import { leakCases, portsOf } from './cases/leaks.js';
import * as life from './cases/life.js';
import { streamCases } from './cases/streams.js';
import { unprivileged } from './cases/unprivileged.js';
import { vchanCases } from './cases/vchan.js';
import type { XenLab } from './lab.js';

type Case = (t: Test, lab: XenLab, domains: Domains) => Promise<void>;

const CASES = {
  'bytes between all domains': (t, _lab, domains) => streamCases(t, domains),
  'several pumps': (t, _lab, domains) => laneCases(t, domains),
  'raw vchan with stock programs': (t, _lab, domains) => vchanCases(t, domains),
  'without root': (t, _lab, domains) => unprivileged(t, domains),
  'a daemon is killed': (t, _lab, domains) => life.daemonDeath(t, domains),
  'a guest is paused': (t, _lab, domains) => life.paused(t, domains),
  'our nodes are removed': (t, _lab, domains) => life.homeRewritten(t, domains),
  'a guest is rebooted': life.rebooted,
  'a guest is saved and restored': life.restored,
  'a guest is destroyed under load': (t, lab, domains) =>
    life.destroyedUnderLoad(t, lab, domains, 2),
  'a guest is destroyed under load, up to 20 times': (t, lab, domains) =>
    life.destroyedUnderLoad(t, lab, domains, 20),
} as const satisfies Record<string, Case>;

export type CaseName = keyof typeof CASES;

const only = process.env.XSOCK_XEN_CASES?.split(',');
const wanted = (name: string): boolean => only?.some(word => name.includes(word)) ?? true;

/** Runs the cases in their order; at the end nothing may be left. */
export async function runSuite(t: Test, lab: XenLab, names: readonly CaseName[]): Promise<void> {
  const domains = await startGuests(t, lab);
  const ports = await portsOf(domains);
  await startDaemons(domains);
  for (const name of names.filter(wanted)) {
    await t.test(name, t => CASES[name](t, lab, domains));
  }
  await stopDaemons(domains);
  await t.test('nothing is left', t => leakCases(t, domains, ports));
}

/** The back ends' contract on Xen's own devices; before there is any guest. */
export async function runContract(t: Test, lab: XenLab): Promise<void> {
  await t.test('the contract of all back ends', t => contractCases(t, lab));
}

/** Last, since guests do not come back from it: xenstored dies while streams run. */
export async function runXenstoredDeath(t: Test, lab: XenLab): Promise<void> {
  if (!wanted('xenstored is killed')) return;
  const domains = await startGuests(t, lab);
  await startDaemons(domains);
  await t.test('xenstored is killed', t => life.xenstoredKilled(t, lab, domains));
}
