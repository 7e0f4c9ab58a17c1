/**
 * While nobody can say whose a domid is, a name opens nothing; afterwards it is the name that the toolstack says
 * then. What does not rest on names goes on.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { exported, peerConfig, setUpHost } from '../../support/daemon-host.js';
import { eventually } from '../../support/eventually.js';
import type { FakeDataplane } from '../../support/fake-dataplane.js';

/** Services that the one linked peer may open now, by the table that decides. */
function open(dataplane: FakeDataplane): readonly (string | undefined)[] {
  const [, table] = [...dataplane.exports].at(-1) ?? [];
  return (table ?? []).filter(entry => entry.allowed).map(({ name }) => name);
}

async function opens(dataplane: FakeDataplane, wanted: readonly string[]): Promise<void> {
  await eventually(async () => {
    const now = open(dataplane);
    if (now.join() !== wanted.join()) throw new Error(`may open: ${now.join()}`);
  });
}

/** From now on no table may have it, however short. */
function neverOpens(t: Test, dataplane: FakeDataplane, service: string): void {
  const setExports = dataplane.setExports.bind(dataplane);
  dataplane.setExports = (link, table) => {
    t.notOk(table.some(({ name, allowed }) => allowed && name === service));
    setExports(link, table);
  };
}

const EXPORTS = [exported('for-web', ['web']), exported('for-3', [3])];

t.test('xenstored gone: no new stream by name, until it is back and says the same', async t => {
  const { boot, add } = await setUpHost(t, [0]);
  await add(3, 'web');
  const dom0 = await boot(0, { exports: EXPORTS });
  const guest = await boot(3, { exports: [exported('b', [0])] });
  await guest.appears('0/for-web');
  await dom0.appears('by-name/web/b');
  await opens(dom0.dataplane, ['for-web', 'for-3']);
  const mend = dom0.cut();
  await opens(dom0.dataplane, ['for-3']);
  await dom0.logs('what is allowed to a domain by name takes no new streams');
  t.ok(existsSync(join(dom0.run, 'by-name/web/b')), 'what the link shows here stays');
  t.ok(existsSync(join(guest.run, '0/for-web')), 'nothing comes and goes there for a moment');
  mend();
  await opens(dom0.dataplane, ['for-web', 'for-3']);
  await dom0.until(3, 'up');
});

t.test('the domid was given to another domain meanwhile', async t => {
  const { boot, add, destroy } = await setUpHost(t, [0]);
  await add(3, 'web');
  const dom0 = await boot(0, { exports: EXPORTS });
  const guest = await boot(3, { exports: [exported('b', [0])] });
  await guest.appears('0/for-web');
  await dom0.appears('by-name/web/b');
  const mend = dom0.cut();
  await opens(dom0.dataplane, ['for-3']);
  destroy(3);
  await add(3, 'intruder');
  await guest.die();
  const intruder = await boot(3, { exports: [exported('b', [0])] });
  neverOpens(t, dom0.dataplane, 'for-web');
  mend();
  await intruder.appears('0/for-3');
  await dom0.appears('by-name/intruder/b');
  t.same(readdirSync(join(dom0.run, 'by-name')), ['intruder']);
  t.same(open(dom0.dataplane), ['for-3']);
  t.same(readdirSync(join(intruder.run, '0')), ['for-3']);
  const { peers } = await dom0.daemon.status();
  t.equal(peers.find(({ domid }) => domid === 3)?.name, 'intruder', 'status says so too');
});

t.test('a daemon that is there before domain 0 has read the new name of its domid', async t => {
  const others = Array.from({ length: 100 }, (_, index) => 10 + index);
  const { boot, add, destroy, host } = await setUpHost(t, [0, ...others]);
  await add(3, 'web');
  const dom0 = await boot(0, { exports: EXPORTS });
  const guest = await boot(3);
  await guest.appears('0/for-web');
  const instance = 'f'.repeat(32);
  const intruder = host.dataplane(guest.dataplane.domid, instance);
  const { ringRef, eventChannel } = await intruder.offer(dom0.dataplane.domid, 12);
  neverOpens(t, dom0.dataplane, 'for-web');
  await guest.die();
  destroy(3);
  await add(3, 'intruder');
  const nodes = '/local/domain/3/data/xsock/0';
  await Promise.all([
    dom0.xenstore.write(`${nodes}/ring-ref`, String(ringRef)),
    dom0.xenstore.write(`${nodes}/event-channel`, String(eventChannel)),
    dom0.xenstore.write(`${nodes}/instance`, instance),
  ]);
  await eventually(async () => {
    const { peers } = await dom0.daemon.status();
    const peer = peers.find(({ domid }) => domid === 3);
    if (peer?.instance !== instance || peer.state !== 'up') throw new Error(peer?.state);
  });
  await opens(dom0.dataplane, ['for-3']);
});

t.test('a domain that came while xenstored was away is found, and followed', async t => {
  const { boot, add } = await setUpHost(t, [0, 1]);
  const dom0 = await boot(0, { exports: EXPORTS });
  await dom0.until(1, 'absent');
  const mend = dom0.cut();
  await dom0.logs('the connection to xenstored is lost');
  await add(3, 'web');
  mend();
  await dom0.until(3, 'absent');
  const guest = await boot(3);
  await guest.appears('0/for-web');
  await guest.xenstore.read('domid');
  await dom0.xenstore.write('/local/domain/3/name', 'other');
  await opens(dom0.dataplane, ['for-3']);
});

t.test('a peer that is added while xenstored is away is discovered once it is back', async t => {
  const { boot } = await setUpHost(t, [0, 3, 4]);
  const other = await boot(4);
  const guest = await boot(3);
  const mend = guest.cut();
  await guest.logs('the connection to xenstored is lost');
  await guest.daemon.reload({
    ...guest.config,
    peers: [peerConfig(4)],
  });
  await eventually(async () => {
    const { peers } = await guest.daemon.status();
    const reason = peers.find(({ domid }) => domid === 4)?.reason ?? 'no such peer';
    if (!reason.includes('no connection to xenstored')) throw new Error(reason);
  });
  await other.daemon.reload({
    ...other.config,
    peers: [peerConfig(3)],
  });
  mend();
  await guest.until(4, 'up');
});
