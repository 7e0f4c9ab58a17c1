/** What domain 0 tells guests of the domains of the host, over the real loopback xenstored. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { DirectoryPublisher } from '../../../daemon/discovery/directory-publisher.js';
import { DirectoryReader } from '../../../daemon/discovery/directory-reader.js';
import type { KnownDomain } from '../../../daemon/discovery/domains.js';
import { Roster, type RosterEntry } from '../../../daemon/discovery/roster.js';
import { ToolstackDomains } from '../../../daemon/discovery/toolstack.js';
import type { DomId } from '../../../daemon/ids.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { eventually } from '../../support/eventually.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const log = pino({ level: 'silent' });
const id = (domid: number): DomId => domid as DomId;
const uuidOf = (domid: number): string => `00000000-0000-4000-8000-${`${domid}`.padStart(12, '0')}`;
const domain = (domid: number, name = `name-${domid}`): KnownDomain => ({
  domid: id(domid),
  name,
  uuid: uuidOf(domid),
});

async function host(t: Test, domids: readonly number[]) {
  const directory = temporaryDirectory(t);
  const xenstored = new Xenstored();
  t.teardown(() => xenstored.close());
  const add = async (domid: number, name = `name-${domid}`): Promise<void> => {
    await xenstored.listen(domid, join(directory, String(domid)));
    xenstored.createHome({ domid, name, uuid: uuidOf(domid) });
    xenstored.introduce(domid);
  };
  for (const domid of domids) await add(domid);
  const as = async (domid: number) => {
    const client = await connectXenstore(unixTransport(join(directory, String(domid))));
    t.teardown(() => client.close());
    return client;
  };
  return { xenstored, add, as };
}

const sorted = (domains: readonly KnownDomain[] | undefined): readonly KnownDomain[] | undefined =>
  domains?.toSorted((a, b) => a.domid - b.domid);

t.test('only the chosen guests can read it, and only what changed is written', async t => {
  const { as } = await host(t, [0, 3, 4]);
  const [dom0, chosen, other] = [await as(0), await as(3), await as(4)];
  const publisher = new DirectoryPublisher(dom0);
  const readers = { chosen: new DirectoryReader(chosen), other: new DirectoryReader(other) };
  let changes = 0;
  await readers.chosen.start(() => changes++);

  await publisher.publish([domain(0), domain(3)], [id(3)]);
  t.same(sorted(await readers.chosen.list()), [domain(0), domain(3)]);
  t.same(await readers.other.list(), undefined);
  await eventually(async () => t.ok(changes > 1));

  const before = changes;
  await publisher.publish([domain(0), domain(3)], [id(3)]);
  t.equal(changes, before, 'the same again writes nothing');

  await publisher.publish([domain(3), domain(5)], [id(3), id(4)]);
  for (const reader of Object.values(readers)) {
    t.same(sorted(await reader.list()), [domain(3), domain(5)]);
  }
  await publisher.publish([domain(3, 'renamed')], 'any');
  t.same(await readers.other.list(), [domain(3, 'renamed')]);
  await publisher.publish([domain(3)], undefined);
  t.same(await readers.chosen.list(), undefined);
  await readers.chosen.close();
});

t.test('nodes from before, or lost meanwhile, are repaired', async t => {
  const { as } = await host(t, [0, 3]);
  const [dom0, guest] = [await as(0), await as(3)];
  const reader = new DirectoryReader(guest);
  await dom0.write('/local/domain/0/data/xsock/directory/9/name', 'of-an-earlier-daemon');
  const publisher = new DirectoryPublisher(dom0);
  await publisher.publish([domain(3)], [id(3)]);
  t.same(await reader.list(), [domain(3)]);
  await dom0.remove('/local/domain/0/data/xsock/directory');
  await dom0.write('/local/domain/0/data/xsock/directory/9/name', 'not-ours');
  await publisher.forget();
  await publisher.publish([domain(3)], [id(3)]);
  t.same(await reader.list(), [domain(3)]);
});

t.test('domain 0 sees a domain renamed', async t => {
  const { as } = await host(t, [0, 3]);
  const dom0 = await as(0);
  const domains = new ToolstackDomains(dom0);
  let changed = (): void => {};
  await domains.start(() => changed());
  t.same(sorted(await domains.list()), [domain(0), domain(3)]);
  const renamed = new Promise<void>(resolve => {
    changed = () => void domains.list().then(list => list[1]?.name === 'other' && resolve());
  });
  await dom0.write('/local/domain/3/name', 'other');
  await renamed;
  await domains.close();
});

t.test('a guest that trusts it finds its peers by name, whatever their domids', async t => {
  const { as } = await host(t, [0, 3]);
  const [dom0, guest] = [await as(0), await as(3)];
  const publisher = new DirectoryPublisher(dom0);
  let seen: readonly RosterEntry[] = [];
  const rosters: (readonly RosterEntry[])[] = [];
  const source = { file: 'test.yaml', line: 1, column: 1 };
  const peers = [
    { domid: undefined, name: 'web', source },
    { domid: id(7), name: undefined, source },
    { domid: id(0), name: 'mine', source },
  ];
  const roster = new Roster(
    {
      xenstore: guest,
      self: id(3),
      log,
      forgotten: async () => [],
      onDoubt: () => {},
      onRoster: entries => {
        seen = entries;
        rosters.push(entries);
      },
    },
    { peers, directory: { trust: true } },
  );
  await roster.start();
  const until = (wanted: readonly RosterEntry[]) =>
    eventually(async () => {
      if (!isDeepStrictEqual(seen, wanted)) throw new Error(JSON.stringify(seen));
    });
  const entry = (domid: number, name?: string, uuid?: string): RosterEntry => {
    const nameSource = name === 'mine' ? 'operator' : 'xenstore';
    return { domid: id(domid), name, nameSource, uuid };
  };
  const doubted = (peer: RosterEntry): RosterEntry =>
    peer.nameSource === 'xenstore' ? { ...peer, nameSource: 'in-doubt' } : peer;
  await until([entry(7), entry(0, 'mine')].map(doubted));
  await publisher.publish([domain(0), domain(5, 'web')], [id(3)]);
  const known0 = entry(0, 'mine', uuidOf(0));
  await until([entry(5, 'web', uuidOf(5)), entry(7), known0]);
  await publisher.publish([domain(0), domain(7, 'web')], [id(3)]);
  await until([entry(7, 'web', uuidOf(7)), known0]);

  // Domain 0's daemon restarts: it removes what it finds, and publishes again.
  const earlier = rosters.length;
  await dom0.remove('/local/domain/0/data/xsock');
  await until([entry(7, 'web', uuidOf(7)), known0].map(doubted));
  await publisher.forget();
  await publisher.publish([domain(0), domain(7, 'web')], [id(3)]);
  await until([entry(7, 'web', uuidOf(7)), known0]);
  for (const entries of rosters.slice(earlier)) {
    t.ok(
      entries.some(({ domid }) => domid === 7),
      'a peer known by name stays',
    );
  }
  await (await roster.prepare({ peers, directory: { trust: false } })).commit();
  await until([entry(7), entry(0, 'mine')]);
  await roster.close();
});
