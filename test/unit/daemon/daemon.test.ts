/**
 * Whole daemons over one real xenstored, linked by fake data planes: what each sees of the others as they
 * come, change their minds and go.
 */

import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Config, ImportConfig } from '../../../daemon/config/config.js';
import { IMPORT_EVERYTHING } from '../../../daemon/config/defaults.js';
import type { DomainCheck } from '../../../daemon/dataplane/dataplane.js';
import type { DomId, EventChannelPort, LinkId } from '../../../daemon/ids.js';
import { parseServiceName } from '../../../daemon/text/names.js';
import { exported, peerConfig, setUpHost } from '../../support/daemon-host.js';
import { eventually } from '../../support/eventually.js';
import type { FakeDataplane } from '../../support/fake-dataplane.js';

t.test('two daemons find each other and show what is allowed, no more', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0, {
    exports: [exported('xend', [3], true), exported('secret', []), exported('hidden', [3, 0])],
  });
  const guest = await boot(3, { exports: [exported('web', [0])] });
  await dom0.until(3, 'up');
  await guest.until(0, 'up');
  await guest.appears('0/xend');
  await dom0.appears('by-name/name-3/web');
  await guest.appears('0/hidden');
  t.same(readdirSync(join(guest.run, '0')), ['hidden', 'xend']);
  t.same(readdirSync(join(dom0.run, '0')), ['xend'], 'the own domain has what says self');
  const imported = (await guest.daemon.services()).filter(({ domid }) => domid === 0);
  t.same(
    imported.map(({ name }) => name),
    ['xend', 'hidden'],
  );
  await dom0.daemon.stop(0);
  await guest.until(0, 'absent');
  await guest.appears('0', false);
  t.same(await dom0.xenstore.list('/local/domain/0/data'), [], 'its nodes have gone');
});

t.test('a reload touches only what changed', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0, { exports: [exported('a', [3])] });
  const guest = await boot(3);
  await guest.appears('0/a');
  const { ino } = lstatSync(join(guest.run, '0/a'));
  const linking = () => dom0.dataplane.calls.filter(call => call !== 'listen');
  const links = linking();
  await dom0.daemon.reload({
    ...dom0.config,
    exports: [exported('a', [3]), exported('b', [3]), exported('c', [])],
  });
  await guest.appears('0/b');
  t.equal(lstatSync(join(guest.run, '0/a')).ino, ino);
  t.notOk(existsSync(join(guest.run, '0/c')));
  t.same(linking(), links, 'no link was made or closed');
  await dom0.daemon.reload({ ...dom0.config, exports: [exported('b', [3])] });
  await guest.appears('0/a', false);
});

t.test('a reload replaces only the tables and settings that its difference concerns', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const guest = await boot(3, { exports: [exported('mine', [0])] });
  const dom0 = await boot(0, { exports: [exported('a', [3])] });
  await guest.appears('0/a');
  await dom0.appears('3/mine');
  const { dataplane, daemon, xenstore } = dom0;
  let lists = 0;
  const list = xenstore.list.bind(xenstore);
  xenstore.list = path => {
    lists += 1;
    return list(path);
  };
  let config = dom0.config;
  const replaced = async (change: Partial<Config>): Promise<readonly string[]> => {
    dataplane.replacements.length = 0;
    lists = 0;
    config = { ...config, ...change };
    await daemon.reload(config);
    return dataplane.replacements;
  };
  t.same(await replaced({}), []);
  t.equal(lists, 0, 'the list of domains is not read again');
  t.same(await replaced({ limits: { ...config.limits, streamsPerPeer: 9 } }), ['setLimits']);
  t.same(await replaced({ log: { ...config.log, level: 'debug' } }), ['reportStreams']);
  t.same(await replaced({ imports: [{ ...IMPORT_EVERYTHING, mode: 0o600 }] }), []);
  t.same(await replaced({ peers: [peerConfig(3)] }), []);
  t.not(lists, 0);
  const exports = [exported('b', [3])];
  const others = ['setExports', 'sendServices'];
  t.same(
    await replaced({ exports }),
    [...others, 'setExports'],
    'of the peer, and of the domain itself',
  );
});

t.test('a reload that is refused changes nothing', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const guest = await boot(3, { exports: [exported('a', [0])] });
  const vchan: ImportConfig = {
    ...IMPORT_EVERYTHING,
    peer: { kind: 'domid', domid: 4 as DomId },
    service: { kind: 'name', name: parseServiceName('x') },
    vchan: 'data/vchan/x',
  };
  const refused = { ...guest.config, exports: [exported('b', [0])], imports: [vchan] };
  await t.rejects(guest.daemon.reload(refused), { message: 'no raw vchan here' });
  const names = async () => (await guest.daemon.services()).map(({ name }) => name);
  t.same(await names(), ['a']);
  t.same(await guest.daemon.reload({ ...refused, imports: [] }), [
    'export b added',
    'export a removed',
    'import any of any removed',
  ]);
  t.same(await names(), ['b']);
  await guest.daemon.stop(0);
  await t.rejects(guest.daemon.reload(refused), { message: 'the daemon is stopping' });
});

t.test(
  'more services than fit in one announcement: as many as fit, and a line in the log',
  async t => {
    const { boot } = await setUpHost(t, [0, 3]);
    // Allowed by domid and by name: that it is one domain is only known when it comes.
    const many = Array.from({ length: 1200 }, (_, index) =>
      exported(String(index).padStart(62, 'x'), [index % 2 === 0 ? 3 : 'name-3']),
    );
    const dom0 = await boot(0, { exports: many });
    const guest = await boot(3, { imports: [] });
    await eventually(async () => {
      const count = (await guest.daemon.services()).length;
      if (count !== 1008) throw new Error(`${count} services`);
    });
    t.ok(dom0.lines.some(line => line.includes('"announced":1008,"leftOut":192')));
  },
);

t.test('a reload that hangs does not delay the stop', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0);
  const guest = await boot(3);
  await dom0.until(3, 'up');
  let asked = (): void => {};
  const waiting = new Promise<void>(resolve => {
    asked = resolve;
  });
  let release = (): void => {};
  guest.xenstore.watch = () => {
    asked();
    return new Promise(resolve => {
      release = () => resolve({ problem: undefined, close: async () => {} });
    });
  };
  const trusting = { ...guest.config, directory: { publish: [], trust: true } };
  const reloaded = guest.daemon.reload(trusting);
  await waiting;
  await guest.daemon.stop(0);
  await dom0.until(3, 'absent');
  const calls = guest.dataplane.calls.length;
  release();
  await t.rejects(reloaded, { message: 'the daemon is stopping' });
  t.equal(guest.dataplane.calls.length, calls, 'nothing is begun any more');
});

t.test('a peer that is dropped and wanted again is announced again', async t => {
  const { host, boot } = await setUpHost(t, [0, 3, 4]);
  const other = await boot(4, { peers: [peerConfig(3)] });
  const guest = await boot(3, { peers: [peerConfig(4)] });
  await guest.until(4, 'up');
  let release = (): void => {};
  const held = new Promise<void>(resolve => {
    release = resolve;
  });
  guest.dataplane.before = call => (call === 'closeLink' ? held : undefined);
  await guest.daemon.reload({ ...guest.config, peers: [] });
  await guest.daemon.reload({ ...guest.config, peers: [peerConfig(4)] });
  // More requests than either end takes, on the connection that both use.
  const requests = async (): Promise<void> => {
    for (let count = 0; count < 40; count++) await guest.xenstore.read('domid');
  };
  await requests();
  release();
  await requests();
  await guest.until(4, 'up');
  await other.until(3, 'up');
  t.equal(
    await other.xenstore.read('/local/domain/3/data/xsock/4/instance'),
    (await guest.daemon.status()).instance,
  );
  t.equal(host.linksOf(guest.dataplane).length, 2, 'with itself and with the peer');
});

t.test('a daemon that starts again is linked with again', async t => {
  const { host, boot } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0, { exports: [exported('a', [3])] });
  const first = await boot(3);
  await first.appears('0/a');
  await first.daemon.stop(0);
  const second = await boot(3);
  await second.appears('0/a');
  await dom0.until(3, 'up');
  t.equal(host.linksOf(dom0.dataplane).length, 2);
});

t.test('a malformed list of services ends the link, which is re-created', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0, { exports: [exported('a', [3])] });
  const guest = await boot(3);
  await guest.appears('0/a');
  const offers = () => guest.dataplane.calls.filter(call => call === 'offer').length;
  const before = offers();
  const there: boolean[] = [];
  guest.dataplane.before = call => {
    if (call === 'offer') there.push(existsSync(join(guest.run, '0/a')));
  };
  for (const [link] of guest.dataplane.exports) {
    guest.dataplane.emit({ kind: 'services', link, payload: Uint8Array.of(1, 0, 0, 0) });
  }
  await eventually(async () => {
    if (offers() === before) throw new Error('no new link');
  });
  await dom0.until(3, 'up');
  await guest.appears('0/a');
  t.same(there, [false], 'meanwhile it has gone with the link');
});

t.test('status says why a link is not up, on both sides', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0);
  const reason = async (daemon: typeof dom0.daemon, of: number) =>
    (await daemon.status()).peers.find(({ domid }) => domid === of)?.reason;
  t.match(await reason(dom0.daemon, 3), /no daemon there has published anything/);
  const guest = await boot(3);
  await dom0.until(3, 'up');
  await guest.until(0, 'up');
  t.equal(await reason(dom0.daemon, 3), '');
  // As if it had been killed: nothing of it is taken back, and it does not offer again.
  guest.dataplane.before = call => {
    if (call === 'offer') throw new Error('out of grants');
  };
  for (const link of guest.dataplane.exports.keys()) guest.dataplane.end(link, 'silent');
  await eventually(async () => {
    if ((await reason(dom0.daemon, 3)) !== 'peer-gone') throw new Error('no reason');
    if (!/out of grants/.test((await reason(guest.daemon, 0)) ?? '')) throw new Error('no reason');
  });
});

t.test('nothing appears any more while the last streams end', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0, { exports: [exported('a', [3])] });
  const guest = await boot(3);
  await guest.appears('0/a');
  await dom0.until(3, 'up');
  let release = (): void => {};
  const held = new Promise<void>(resolve => {
    release = resolve;
  });
  guest.dataplane.before = call => (call === 'closeLink' ? held : undefined);
  const links = [...guest.dataplane.exports.keys()];
  const listened = () => guest.dataplane.calls.filter(call => call === 'listen').length;
  const before = listened();
  const stopped = guest.daemon.stop(1000);
  await guest.appears('0', false);
  await eventually(async () => {
    if (!guest.dataplane.calls.includes('closeLink 1000')) throw new Error('not closing yet');
  });
  const offer = (link: LinkId) =>
    guest.dataplane.emit({ kind: 'services', link, payload: Uint8Array.of(1, 80, 0, 0) });
  links.forEach(offer);
  await dom0.daemon.reload({ ...dom0.config, exports: [exported('late', [3], true)] });
  await dom0.appears('0/late');
  t.equal(listened(), before);
  release();
  await stopped;
});

t.test(
  'xenstored comes back without its contents: links that are up stay, others do not',
  async t => {
    const { boot, host, replaceXenstored } = await setUpHost(t, [0, 3, 4]);
    const dom0 = await boot(0, { exports: [exported('a', [3])] });
    const guest = await boot(3, { exports: [exported('b', [0])] });
    await dom0.appears('3/b');
    await dom0.until(4, 'absent');
    const [link] = [...dom0.dataplane.exports.keys()].filter(id => id !== undefined);
    t.ok(link !== undefined);
    await replaceXenstored([0]);
    await eventually(async () => {
      const { peers } = await dom0.daemon.status();
      if (peers.some(({ domid }) => domid === 4)) throw new Error('4 is still known');
    });
    t.ok(existsSync(join(dom0.run, '3/b')), 'the linked peer and its services stay');
    await dom0.until(3, 'up');
    const ours = '/local/domain/0/data/xsock/3/instance';
    const published = await eventually(() => dom0.xenstore.read(ours));
    t.equal(published, '1'.padStart(32, '0'), 'our nodes are published again');
    for (const link of host.linksOf(guest.dataplane)) guest.dataplane.end(link, 'closed');
    await dom0.appears('3', false);
  },
);

t.test('event channels are closed once it is known that the domain was not restored', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  const ports = [7, 9] as EventChannelPort[];
  const named = ({ dataplane }: { readonly dataplane: FakeDataplane }) =>
    eventually(async () => {
      const found = dataplane.checks.filter(check => check.ports.length > 0);
      if (found.length === 0) throw new Error('not yet');
      return found;
    });
  const dom0 = await boot(0);
  dom0.dataplane.emit({ kind: 'closes-deferred', ports });
  t.same(await named(dom0), [{ restored: false, ports }]);
  const guest = await boot(3);
  guest.dataplane.emit({ kind: 'closes-deferred', ports });
  t.same(await named(guest), [{ restored: false, ports }]);
  t.notOk(guest.dataplane.checks.some(({ restored }) => restored));
});

t.test('links that end before the restore is noticed close no event channel', async t => {
  const { boot } = await setUpHost(t, [0, 3]);
  await boot(0);
  const guest = await boot(3);
  await guest.until(0, 'up');
  await guest.xenstore.remove('/local/domain/3/data/xsock/daemon');
  guest.dataplane.emit({ kind: 'closes-deferred', ports: [7 as EventChannelPort] });
  guest.resume();
  const isRestored = ({ restored }: DomainCheck): boolean => restored;
  await eventually(async () => {
    if (!guest.dataplane.checks.some(isRestored)) throw new Error('not yet');
  });
  t.same(
    guest.dataplane.checks.flatMap(({ ports }) => ports),
    [],
  );
});
