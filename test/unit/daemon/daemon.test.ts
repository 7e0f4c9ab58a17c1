/**
 * Whole daemons over one real xenstored, linked by fake data planes: what each sees of the others as they
 * come, change their minds and go.
 */
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { Config, ExportConfig, PeerConfig } from '../../../daemon/config/config.js';
import {
  DEFAULT_HEARTBEAT,
  DEFAULT_LIMITS,
  DEFAULT_LOG,
  IMPORT_EVERYTHING,
} from '../../../daemon/config/defaults.js';
import { Daemon } from '../../../daemon/daemon.js';
import type { DomId, LinkId } from '../../../daemon/ids.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { parseServiceName } from '../../../daemon/service/name.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { eventually } from '../../support/eventually.js';
import { FakeHost } from '../../support/fake-dataplane.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const source = { file: 'test.yaml', line: 1, column: 1 };
const id = (domid: number): DomId => domid as DomId;

function exported(name: string, allow: readonly number[], self = false): ExportConfig {
  return {
    name: parseServiceName(name),
    port: undefined,
    target: { kind: 'unix', path: '/nowhere' },
    allow: allow.map(domid => ({ peer: { kind: 'domid', domid: id(domid) }, source })),
    self,
    vchan: [],
    source,
  };
}

const peer = (domid: number): PeerConfig => ({ domid: id(domid), name: undefined, source });

/** A host with these domains, none of which runs a daemon yet. */
async function setUp(t: Test, domids: readonly number[]) {
  const directory = temporaryDirectory(t);
  let xenstored = new Xenstored();
  const host = new FakeHost();
  t.teardown(() => xenstored.close());
  const fill = async (present: readonly number[]): Promise<void> => {
    for (const domid of present) {
      await xenstored.listen(domid, join(directory, String(domid)));
      xenstored.createHome({ domid, name: `name-${domid}`, uuid: `uuid-${domid}` });
      xenstored.introduce(domid);
    }
  };
  await fill(domids);
  /** As after a crash: an empty one, that knows of these domains only. */
  const replaceXenstored = async (present: readonly number[]): Promise<void> => {
    await xenstored.close();
    xenstored = new Xenstored();
    await fill(present);
  };
  let starts = 0;
  const boot = async (domid: number, given: Partial<Config> = {}) => {
    const run = join(directory, `r${domid}`);
    const instance = String(++starts).padStart(32, '0');
    const config: Config = {
      run,
      log: { ...DEFAULT_LOG, level: 'silent' },
      peers: undefined,
      directory: { publish: [], trust: false },
      exports: [],
      imports: [IMPORT_EVERYTHING],
      limits: DEFAULT_LIMITS,
      link: {
        ringOrder: 12,
        heartbeatInterval: DEFAULT_HEARTBEAT.interval,
        heartbeatTimeout: DEFAULT_HEARTBEAT.timeout,
        pollTime: 0,
        pumps: 1,
      },
      drainTimeout: 0,
      warnings: [],
      ...given,
    };
    const xenstore = await connectXenstore(unixTransport(join(directory, String(domid))));
    const dataplane = host.dataplane(id(domid), instance);
    const daemon = new Daemon({
      config,
      configPath: 'test.yaml',
      version: '0',
      hypervisor: 'loopback',
      domid: id(domid),
      instance,
      dataplane,
      xenstore,
      log: pino({ level: 'silent' }),
      onHypervisorGone: () => undefined,
      onRestored: () => undefined,
      openVchan: () => {
        throw new Error('no raw vchan here');
      },
    });
    t.teardown(async () => {
      await daemon.stop(0);
      await dataplane.close();
      await xenstore.close();
    });
    await daemon.start();
    const linkState = async (of: number): Promise<string | undefined> =>
      (await daemon.status()).peers.find(({ domid }) => domid === of)?.state;
    const until = (of: number, wanted: string) =>
      eventually(async () => {
        const state = await linkState(of);
        if (state !== wanted) throw new Error(`the link with ${of} is ${state}, not ${wanted}`);
      });
    const appears = (path: string, there = true) =>
      eventually(async () => {
        if (existsSync(join(run, path)) !== there) throw new Error(`${path}: ${!there}`);
      });
    return { daemon, dataplane, xenstore, config, run, until, appears };
  };
  return { xenstored, host, boot, replaceXenstored };
}

t.test('two daemons find each other and show what is allowed, no more', async t => {
  const { boot } = await setUp(t, [0, 3]);
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
  const { boot } = await setUp(t, [0, 3]);
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

t.test('a peer that is dropped and wanted again is announced again', async t => {
  const { host, boot } = await setUp(t, [0, 3, 4]);
  const other = await boot(4, { peers: [peer(3)] });
  const guest = await boot(3, { peers: [peer(4)] });
  await guest.until(4, 'up');
  let release = (): void => {};
  const held = new Promise<void>(resolve => {
    release = resolve;
  });
  guest.dataplane.before = call => (call === 'closeLink' ? held : undefined);
  await guest.daemon.reload({ ...guest.config, peers: [] });
  await guest.daemon.reload({ ...guest.config, peers: [peer(4)] });
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
  const { host, boot } = await setUp(t, [0, 3]);
  const dom0 = await boot(0, { exports: [exported('a', [3])] });
  const first = await boot(3);
  await first.appears('0/a');
  await first.daemon.stop(0);
  const second = await boot(3);
  await second.appears('0/a');
  await dom0.until(3, 'up');
  t.equal(host.linksOf(dom0.dataplane).length, 2);
});

t.test('a peer whose list of services is nonsense loses its link, and gets another', async t => {
  const { boot } = await setUp(t, [0, 3]);
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

t.test('nothing appears any more while the last streams end', async t => {
  const { boot } = await setUp(t, [0, 3]);
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
    const { boot, host, replaceXenstored } = await setUp(t, [0, 3, 4]);
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

t.test(
  'event channels are given back once it is known that the domain was not restored',
  async t => {
    const { boot } = await setUp(t, [0, 3]);
    const dom0 = await boot(0);
    dom0.dataplane.emit({ kind: 'ports-resting' });
    await eventually(async () => {
      if (!dom0.dataplane.calls.includes('settleHypervisor')) throw new Error('not yet');
    });
    const guest = await boot(3);
    // What was asked when the watch was set has been answered by now.
    await guest.until(0, 'up');
    guest.dataplane.calls.length = 0;
    guest.dataplane.emit({ kind: 'ports-resting' });
    await eventually(async () => {
      if (!guest.dataplane.calls.includes('settleHypervisor')) throw new Error('not yet');
    });
    t.notOk(guest.dataplane.calls.includes('abandonHypervisor'));
  },
);

t.test('links that end before the restore is noticed close no event channel', async t => {
  const { boot } = await setUp(t, [0, 3]);
  await boot(0);
  const guest = await boot(3);
  await guest.until(0, 'up');
  await guest.xenstore.remove('/local/domain/3/data/xsock/daemon');
  guest.dataplane.calls.length = 0;
  guest.dataplane.emit({ kind: 'ports-resting' });
  await eventually(async () => {
    if (!guest.dataplane.calls.includes('abandonHypervisor')) throw new Error('not yet');
  });
  t.notOk(guest.dataplane.calls.includes('settleHypervisor'));
});
