/** Two pumps in each of two guests: their link has a lane on each, over Xen's own devices. */
import type { Test } from 'tap';
import type { Domain } from '../domain.js';
import { INSTALLED } from '../package.js';
import { type Domains, startDaemon } from './domains.js';
import { configOf } from './services.js';

const STATUS = `node ${INSTALLED}/dist/daemon/cli/main.js status --json`;
/** The whole status is more than an agent can say. */
const LANES =
  'const { peers } = JSON.parse(require("fs").readFileSync(0));' +
  'console.log(JSON.stringify(peers.map(({ domid, counters }) => [domid, counters?.lanes])))';
/** Small rings: two lanes fit the default limit of grants. */
const LINK = 'link: { pumps: 2, ring-size: 64KiB }\n';
const STREAMS = 40;

async function lanesTo(from: Domain, to: Domain): Promise<number> {
  const said = await from.run(['sh', '-c', `${STATUS} | node -e '${LANES}'`]);
  return new Map<number, number>(JSON.parse(said)).get(to.domid) ?? 0;
}

export async function laneCases(t: Test, domains: Domains): Promise<void> {
  const { dom0, domu1, domu2 } = domains;
  for (const [guest, other] of [
    [domu1, domu2],
    [domu2, domu1],
  ] as const) {
    await guest.stopDaemon();
    await guest.startDaemon(LINK + configOf(guest, [dom0, other]));
  }
  const path = await domu1.socket(domu2, 'echo');
  for (const bytes of [1, 50_000]) {
    const { equal } = await domu1.ask('echo', { path, bytes, count: STREAMS });
    t.equal(equal, STREAMS, `${STREAMS} streams of ${bytes} B`);
  }
  // By now the second lane had time to come up; the streams did not need it.
  t.equal(await lanesTo(domu1, domu2), 2, 'guest to guest: a lane for each pump');
  t.equal(await lanesTo(domu1, dom0), 1, 'domain 0 has one pump');
  for (const guest of [domu1, domu2]) {
    await guest.stopDaemon();
    await startDaemon(domains, guest);
  }
}
