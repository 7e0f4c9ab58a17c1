/** The data plane on the addon, two of them in two domains of a loopback machine inside this process. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Dataplane, DataplaneEvent } from '../../../daemon/dataplane/dataplane.js';
import { loadNative } from '../../../daemon/dataplane/native.js';
import { openDataplane } from '../../../daemon/dataplane/native-dataplane.js';
import type { DomId, LinkId } from '../../../daemon/ids.js';
import { eventually } from '../../support/eventually.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const LOW = 0 as DomId;
const HIGH = 3 as DomId;

/** One domain's data plane that remembers its events and tells who waits for one. */
class Side {
  readonly dataplane: Dataplane;
  readonly events: DataplaneEvent[] = [];
  readonly #waiting: { match: (event: DataplaneEvent) => boolean; resolve: () => void }[] = [];
  onEvent: (event: DataplaneEvent) => void = () => {};

  constructor(domainDir: string, domid: DomId, pumps: number) {
    this.dataplane = openDataplane({
      hypervisor: { kind: 'loopback', domainDir },
      domid,
      instance: randomBytes(16),
      limits: { streamsPerPeer: 100, memoryPerStream: 512 * 1024, memoryTotal: 2 ** 26 },
      timings: { heartbeatInterval: 1000, heartbeatTimeout: 4000, pollTime: 200 },
      pumps,
    });
    this.dataplane.onEvents(events => {
      for (const event of events) {
        this.events.push(event);
        this.onEvent(event);
        for (const { match, resolve } of this.#waiting) if (match(event)) resolve();
      }
    });
  }

  async until(match: (event: DataplaneEvent) => boolean): Promise<void> {
    if (!this.events.some(match)) {
      await new Promise<void>(resolve => this.#waiting.push({ match, resolve }));
    }
  }
}

function pair(t: Test, pumps = 1, limits: object = {}) {
  const directory = temporaryDirectory(t);
  const machine = new (loadNative().LoopbackMachine)(limits);
  const [low, high] = [LOW, HIGH].map(domid => {
    const dir = join(directory, String(domid));
    mkdirSync(dir);
    machine.introduce(domid, join(dir, 'hypercall'));
    return new Side(dir, domid, pumps);
  }) as [Side, Side];
  t.teardown(async () => {
    await low.dataplane.close();
    await high.dataplane.close();
    machine.close();
  });
  return { low, high, directory, machine };
}

async function linked({ low, high }: { low: Side; high: Side }) {
  const offer = await high.dataplane.offer(LOW, 12);
  const link = await low.dataplane.connect(HIGH, offer.ringRef, offer.eventChannel);
  return { highLink: offer.link, lowLink: link };
}

const isUp = (link: LinkId) => (event: DataplaneEvent) =>
  event.kind === 'link-up' && event.link === link;

t.test("a link's events come after the promise that brings the link", async t => {
  const sides = pair(t);
  const known = new Set<LinkId>();
  let early = 0;
  sides.low.onEvent = event => {
    early += event.kind === 'link-up' && !known.has(event.link) ? 1 : 0;
  };
  for (let round = 0; round < 100; round++) {
    const { highLink, lowLink } = await linked(sides);
    known.add(lowLink);
    await Promise.all([sides.low.until(isUp(lowLink)), sides.high.until(isUp(highLink))]);
    await sides.low.dataplane.closeLink(lowLink, 0);
    await sides.high.dataplane.closeLink(highLink, 0);
  }
  t.equal(early, 0);
  for (const counts of sides.machine.counts()) {
    t.match(counts, { grants: 0, mappings: 0, eventChannels: 0 }, 'nothing leaks');
  }
});

/** The lanes of the one link of a side. */
async function lanesOf(side: Side): Promise<number> {
  const [counters] = await side.dataplane.counters();
  return counters?.lanes ?? 0;
}

t.test('several pumps at both ends: the lanes come up automatically', async t => {
  const sides = pair(t, 3);
  const { lowLink, highLink } = await linked(sides);
  await eventually(async () => {
    const lanes = [await lanesOf(sides.low), await lanesOf(sides.high)];
    if (lanes.join() !== '3,3') throw new Error(`lanes: ${lanes}`);
  });
  await sides.low.dataplane.closeLink(lowLink, 0);
  await sides.high.dataplane.closeLink(highLink, 0);
  for (const counts of sides.machine.counts()) {
    t.match(counts, { grants: 0, mappings: 0, eventChannels: 0 }, 'nothing leaks');
  }
});

t.test('no grants left for a further lane: reported, and the link stays up', async t => {
  // A link of order 12 takes three pages.
  const sides = pair(t, 3, { grants: 7 });
  const { lowLink, highLink } = await linked(sides);
  await sides.high.until(
    event => event.kind === 'lane-failed' && event.link === highLink && event.lane === 2,
  );
  await sides.low.until(isUp(lowLink));
  await eventually(async () => {
    if ((await lanesOf(sides.high)) !== 2) throw new Error('one lane');
  });
});

t.test('a flood of lists: others have their turn in between', async t => {
  const sides = pair(t);
  const { highLink, lowLink } = await linked(sides);
  await Promise.all([sides.low.until(isUp(lowLink)), sides.high.until(isUp(highLink))]);
  let inThisTurn = 0;
  let most = 0;
  let lists = 0;
  sides.low.onEvent = event => {
    if (event.kind !== 'services') return;
    lists += 1;
    inThisTurn += 1;
    most = Math.max(most, inThisTurn);
    if (lists === 100) return;
    // The peer does not wait for us: its next list is there before this one is read.
    sides.high.dataplane.sendServices(highLink, Buffer.from(`list ${lists}`));
    const read = performance.now() + 5;
    while (performance.now() < read);
  };
  sides.high.dataplane.sendServices(highLink, Buffer.from('first'));
  await sides.low.until(event => event.kind === 'services');
  for (let turns = 0; turns < 200; turns++) {
    inThisTurn = 0;
    await new Promise<void>(resolve => setImmediate(resolve));
  }
  t.equal(most, 1, `${lists} lists in all`);
});

t.test('all pumps are alive', async t => {
  const { low } = pair(t, 3);
  await Promise.all([low.dataplane.alive(), low.dataplane.alive()]);
  await low.dataplane.close();
  await t.rejects(low.dataplane.alive(), { code: 'DATAPLANE', errno: 'ECANCELED' });
});

t.test('closing twice concurrently, and closing again, both return', async t => {
  const sides = pair(t);
  const { highLink, lowLink } = await linked(sides);
  await sides.low.until(isUp(lowLink));
  await Promise.all([
    sides.low.dataplane.closeLink(lowLink, 10_000),
    sides.low.dataplane.closeLink(lowLink, 0),
  ]);
  await sides.low.dataplane.closeLink(lowLink, 0);
  await sides.high.dataplane.closeLink(highLink, 0);
});

t.test('a socket for a link that has gone meanwhile is not left behind', async t => {
  const { low, directory } = pair(t);
  const path = join(directory, 'svc');
  await t.rejects(
    low.dataplane.listen({
      kind: 'unix',
      link: 99 as LinkId,
      service: { kind: 'name', name: 'svc' },
      path,
      mode: 0o600,
      uid: -1,
      gid: -1,
    }),
  );
  t.notOk(existsSync(path));
});

t.test('a stream from a listener to a target, reported on both sides', async t => {
  const sides = pair(t);
  const { low, high, directory } = { ...sides };
  const { highLink, lowLink } = await linked(sides);
  const target = join(directory, 'target');
  high.dataplane.setExports(highLink, [
    { name: 'svc', port: undefined, allowed: true, target: { kind: 'unix', path: target } },
    { name: 'closed', port: 9, allowed: false, target: { kind: 'unix', path: target } },
  ]);
  const server = createServer(socket => socket.end('hello')).listen(target);
  await once(server, 'listening');
  t.teardown(() => server.close());
  await low.until(isUp(lowLink));
  for (const name of ['svc', 'closed', 'unheard-of']) {
    await low.dataplane.listen({
      kind: 'unix',
      link: lowLink,
      service: { kind: 'name', name },
      path: join(directory, name),
      mode: 0o600,
      uid: -1,
      gid: -1,
    });
  }
  const socket = connect(join(directory, 'svc'));
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  t.equal(String(chunk), 'hello');
  await high.until(event => event.kind === 'stream-opened' && event.service === 'svc');
  for (const [name, reason] of [
    ['closed', 'denied'],
    ['unheard-of', 'no-such-service'],
  ] as const) {
    const refused = connect(join(directory, name));
    refused.on('error', () => {});
    await once(refused, 'close');
    await low.until(
      event => event.kind === 'stream-refused' && event.service === name && event.reason === reason,
    );
  }
  server.close();
  const orphan = connect(join(directory, 'svc'));
  orphan.on('error', () => {});
  await once(orphan, 'close');
  await low.until(
    event => event.kind === 'stream-refused' && event.reason === 'target-unavailable',
  );
});

t.test('errors name what failed', async t => {
  const { low, high } = pair(t);
  await t.rejects(low.dataplane.connect(HIGH, 77 as never, 1 as never), { code: 'DATAPLANE' });
  await t.rejects(high.dataplane.offer(LOW, 99), { code: 'DATAPLANE', errno: 'EINVAL' });
  t.throws(
    () =>
      openDataplane({
        hypervisor: { kind: 'loopback', domainDir: '/nowhere' },
        domid: LOW,
        instance: randomBytes(16),
        limits: { streamsPerPeer: 1, memoryPerStream: 65536, memoryTotal: 65536 },
        timings: { heartbeatInterval: 1000, heartbeatTimeout: 4000, pollTime: 200 },
        pumps: 1,
      }),
    { code: 'HYPERVISOR_UNAVAILABLE', message: /\/nowhere/ },
  );
});
