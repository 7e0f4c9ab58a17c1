/** What is seen of peers, over the real loopback xenstored. */
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { type Observation, PeerWatch } from '../../../daemon/discovery/peer-watch.js';
import { Roster, type RosterEntry } from '../../../daemon/discovery/roster.js';
import type { DomId, EventChannelPort, GrantRef } from '../../../daemon/ids.js';
import { LinkNodes } from '../../../daemon/link/nodes.js';
import { PeerLogs } from '../../../daemon/log/peer-logs.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const INSTANCE = '0123456789abcdef0123456789abcdef';
const log = pino({ level: 'silent' });
const id = (domid: number): DomId => domid as DomId;

async function start(t: Test, domids: readonly number[]) {
  const directory = temporaryDirectory(t);
  const xenstored = new Xenstored();
  t.teardown(() => xenstored.close());
  const add = async (domid: number): Promise<void> => {
    await xenstored.listen(domid, join(directory, String(domid)));
    xenstored.createHome({ domid, name: `name-${domid}`, uuid: `uuid-${domid}` });
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

/** A consumer that tells who waits for a value. */
class Latest<T> {
  #value: T | undefined;
  #wake = (): void => {};
  readonly set = async (value: T): Promise<void> => {
    this.#value = value;
    this.#wake();
  };
  async until(match: (value: T) => boolean): Promise<T> {
    for (;;) {
      if (this.#value !== undefined && match(this.#value)) return this.#value;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}

t.test('a guest sees what another publishes for it, and that it is destroyed', async t => {
  const { xenstored, as } = await start(t, [0, 3, 4]);
  const nodes = new LinkNodes(await as(3), id(3), id(4));
  const seen = new Latest<Observation>();
  const watch = new PeerWatch(await as(4), { self: id(4), peer: id(3) }, log, seen.set);
  await watch.start();
  await seen.until(({ instance }) => instance === undefined);
  await nodes.publish({ instance: INSTANCE });
  t.same(await seen.until(({ instance }) => instance !== undefined), {
    instance: INSTANCE,
    offer: undefined,
  });
  const offer = { ringRef: 9 as GrantRef, eventChannel: 5 as EventChannelPort, id: 77 };
  await nodes.publish({ offer });
  t.same(await seen.until(observation => observation.offer !== undefined), {
    instance: INSTANCE,
    offer,
  });
  await nodes.publish({ offer: undefined });
  await seen.until(observation => observation.offer === undefined);
  xenstored.removeHome(3);
  await seen.until(({ instance }) => instance === undefined);
  t.pass('its end is seen');
  await watch.close();
});

t.test('malformed values that a peer publishes are ignored', async t => {
  const { as } = await start(t, [0, 3]);
  const [dom0, guest] = [await as(0), await as(3)];
  const seen = new Latest<Observation>();
  const watch = new PeerWatch(dom0, { self: id(0), peer: id(3) }, log, seen.set);
  await watch.start();
  await guest.write('data/xsock/0/instance', '\u001b[2J');
  await guest.write('data/xsock/0/instance', INSTANCE);
  for (const [ringRef, port] of [
    ['0', '1'],
    ['-1', '1'],
    ['1e3', '1'],
    ['', '1'],
    ['8', '99999999999'],
  ] as const) {
    await guest.write('data/xsock/0/event-channel', port);
    await guest.write('data/xsock/0/ring-ref', ringRef);
    t.equal((await seen.until(({ instance }) => instance === INSTANCE)).offer, undefined);
  }
  await guest.write('data/xsock/0/ring-ref', '8');
  await guest.write('data/xsock/0/event-channel', '1');
  t.same((await seen.until(({ offer }) => offer !== undefined)).offer?.id, undefined, 'as of 0.1');
  await guest.write('data/xsock/0/offer-id', '-7');
  await guest.write('data/xsock/0/event-channel', '2');
  t.same((await seen.until(({ offer }) => offer?.eventChannel === 2)).offer?.id, undefined);
  await guest.write('data/xsock/0/offer-id', '4294967295');
  t.ok(await seen.until(({ offer }) => offer?.id === 4294967295));
});

t.test('a peer that rewrites its nodes in a loop is rate-limited', async t => {
  const { as } = await start(t, [0, 3]);
  const [dom0, guest] = [await as(0), await as(3)];
  const seen = new Latest<Observation>();
  const from = performance.now();
  let looks = 0;
  const watch = new PeerWatch(dom0, { self: id(0), peer: id(3) }, log, async observation => {
    looks += 1;
    await seen.set(observation);
  });
  await watch.start();
  const last = 300;
  for (let i = 1; i <= last; i += 1) {
    await guest.write('data/xsock/0/instance', String(i).padStart(32, '0'));
    await dom0.read('/local/domain/3/data/xsock/0/instance');
  }
  await seen.until(({ instance }) => Number(instance) === last);
  const seconds = (performance.now() - from) / 1000;
  t.ok(looks <= 16 + 10 * seconds + 1, `${looks} looks in ${seconds} s`);
  await watch.close();
});

t.test('malformed values in a loop: the log is limited, and counts what it left out', async t => {
  const { as } = await start(t, [0, 3]);
  const [dom0, guest] = [await as(0), await as(3)];
  const lines: string[] = [];
  const logs = new PeerLogs(pino({}, { write: (line: string) => void lines.push(line) }));
  const seen = new Latest<Observation>();
  let looks = 0;
  const watch = new PeerWatch(dom0, { self: id(0), peer: id(3) }, logs.of(id(3)), async seenNow => {
    looks += 1;
    await seen.set(seenNow);
  });
  await watch.start();
  for (let i = 0; looks < 40; i += 1) {
    await guest.write('data/xsock/0/instance', `nonsense ${i}`);
  }
  await watch.close();
  logs.close();
  t.equal(lines.length, 31, 'a burst of lines and one that counts');
  t.match(lines.at(-1), /more of these lines were left out: ignoring malformed xenstore value/);
});

t.test('domain 0 sees domains come and go, with their names; a guest sees domain 0', async t => {
  const { xenstored, as, add } = await start(t, [0, 3]);
  const seen = new Latest<readonly RosterEntry[]>();
  const roster = new Roster(
    {
      xenstore: await as(0),
      self: id(0),
      log,
      forgotten: async () => [],
      onDoubt: () => {},
      onRoster: entries => void seen.set(entries),
    },
    { peers: undefined, directory: { trust: false } },
  );
  await roster.start();
  t.same(await seen.until(entries => entries.length === 1), [
    { domid: 3, name: 'name-3', nameSource: 'xenstore', uuid: undefined },
  ]);
  await add(5);
  await seen.until(entries => entries.length === 2);
  xenstored.removeHome(3);
  xenstored.release(3);
  t.same(await seen.until(entries => entries.length === 1), [
    { domid: 5, name: 'name-5', nameSource: 'xenstore', uuid: undefined },
  ]);
  await roster.close();

  const guest = new Latest<readonly RosterEntry[]>();
  const parts = {
    xenstore: await as(5),
    self: id(5),
    log,
    forgotten: async () => [],
    onDoubt: () => {},
    onRoster: guest.set,
  };
  await new Roster(parts, { peers: undefined, directory: { trust: false } }).start();
  t.same(await guest.until(() => true), [
    { domid: 0, name: undefined, nameSource: 'xenstore', uuid: undefined },
  ]);
});

t.test('nodes are readable by that peer alone, and withdrawn as a whole', async t => {
  const { xenstored, as } = await start(t, [0, 3, 4, 5]);
  const [owner, peer, other] = [await as(3), await as(4), await as(5)];
  const before = xenstored.counts().get(3)?.nodes;
  const nodes = new LinkNodes(owner, id(3), id(4));
  await nodes.publish({ instance: INSTANCE });
  const path = '/local/domain/3/data/xsock/4/instance';
  t.equal(await peer.read(path), INSTANCE);
  await t.rejects(other.read(path), { message: /EACCES/ });
  await nodes.publish({ instance: undefined });
  await t.rejects(peer.read(path));
  await owner.remove('data/xsock');
  t.equal(xenstored.counts().get(3)?.nodes, before);
});
