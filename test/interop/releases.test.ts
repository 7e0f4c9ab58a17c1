/**
 * The promise of docs/protocol.md, section 8: a daemon of this release and one of the release before, in both
 * roles (the higher domid grants), exchange what two of the same release do.
 */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { eventually } from '../support/eventually.js';
import { dial, echo, echoes, ended, readAll, serve } from '../support/streams.js';
import { gone, killDaemon, socketOf, stopDaemon, type TestDaemon } from '../support/testbed.js';
import { MixedTestbed, type Release } from './mixed-testbed.js';
import { buildRelease, withoutRelease } from './release.js';

const LOW = 0;
const HIGH = 3;
const RING = 64 * 1024;
const SIZES = [0, 1, 4096, RING - 16, RING, RING + 1, 1_000_000, 5_000_000];
const ANSWER = Buffer.alloc(1_000_000, 'a');

/** PINGs as well; the timeout is out of a busy machine's reach. */
const LINK = 'ring-size: 64KiB, heartbeat-interval: 50ms, heartbeat-timeout: 60s';

interface Releases {
  readonly low: Release;
  readonly high: Release;
}

/** Two daemons, each with the same services; a test may restart either. */
interface Pair {
  low: TestDaemon;
  high: TestDaemon;
  restart(domid: number, release?: Release): Promise<void>;
  /** Changes what a domain exports; `allow` is for the service `late`. */
  reload(daemon: TestDaemon, late?: { name?: string; allow?: string }): Promise<void>;
  /** What the services `late` have read after their own end. */
  readonly received: Promise<Buffer>[];
}

async function startPair(t: Test, releases: Releases, pumps = 1): Promise<Pair> {
  const bed = await MixedTestbed.start(t, await buildRelease());
  const received: Promise<Buffer>[] = [];
  const services: Readonly<Record<string, Parameters<typeof serve>[2]>> = {
    echo,
    late: socket => {
      socket.end('bye');
      received.push(readAll(socket));
    },
    answer: socket => void readAll(socket).then(() => socket.end(ANSWER)),
  };
  for (const [name, onConnection] of Object.entries(services)) {
    await serve(t, bed.testbed.path(name), onConnection);
  }
  const target = (name: string): string => `target: "unix:${bed.testbed.path(name)}"`;
  const yaml = ({
    name = 'late',
    allow = '[any]',
  } = {}): string => `link: {pumps: ${pumps}, ${LINK}}
exports:
  - {name: echo, port: 7, ${target('echo')}, allow: [any]}
  - {name: answer, ${target('answer')}, allow: [any]}
  - {name: ${name}, ${target('late')}, allow: ${allow}}
  - {name: nobody, ${target('nobody')}, allow: [any]}
`;
  const [low, high] = await Promise.all([
    bed.daemon(LOW, releases.low, yaml()),
    bed.daemon(HIGH, releases.high, yaml()),
  ]);
  const pair: Pair = {
    low,
    high,
    received,
    async restart(domid, release) {
      const side = domid === LOW ? 'low' : 'high';
      pair[side] = await bed.daemon(domid, release ?? releases[side], yaml());
    },
    async reload(daemon, late) {
      bed.testbed.writeConfig(daemon.domid, yaml(late));
      await daemon.control.reload();
    },
  };
  return pair;
}

/** The path of a service of each daemon in the other's view. */
function pathsOf({ low, high }: Pair, name: string): Promise<readonly string[]> {
  return Promise.all([socketOf(low, HIGH, name), socketOf(high, LOW, name)]);
}

async function bothEcho(pair: Pair, size: number): Promise<boolean> {
  const paths = await pathsOf(pair, 'echo');
  return (await Promise.all(paths.map(path => echoes(path, size)))).every(Boolean);
}

/** Sends a byte to a service, and waits until the stream has ended. */
async function attempt(path: string, afterwards = (): void => {}): Promise<void> {
  const socket = await dial(path);
  const end = ended(socket);
  socket.write('x');
  afterwards();
  await end;
}

async function peerOf(daemon: TestDaemon) {
  const { peers } = await daemon.control.status();
  const found = peers.find(({ self }) => !self);
  if (found === undefined) throw new Error('no peer yet');
  return found;
}

async function isRefused(observer: TestDaemon, reason: string): Promise<void> {
  await eventually(async () => {
    const last = (await peerOf(observer)).lastRefused?.reason;
    if (last !== reason) throw new Error(`the last one was refused with ${last}, not ${reason}`);
  });
}

async function refusals(
  opener: TestDaemon,
  exporter: TestDaemon,
  pair: Pair,
  observer: TestDaemon,
) {
  await attempt(await socketOf(opener, exporter.domid, 'nobody'));
  await isRefused(observer, 'target-unavailable');
  for (const [reason, late] of [
    ['denied', { allow: '[]' }],
    ['no-such-service', { name: 'other' }],
  ] as const) {
    while (!(await opensByOldList(opener, exporter, () => pair.reload(exporter, late)))) {
      await pair.reload(exporter);
    }
    await isRefused(observer, reason);
    await pair.reload(exporter);
  }
}

/**
 * Opens `late` by the list of services from before `change`, since the opener is stopped meanwhile. False: it
 * took the new list before it accepted the program, and sent no OPEN.
 */
async function opensByOldList(
  opener: TestDaemon,
  exporter: TestDaemon,
  change: () => Promise<void>,
): Promise<boolean> {
  const refused = async () => (await peerOf(exporter)).counters?.streamsRefused ?? 0;
  const path = await socketOf(opener, exporter.domid, 'late');
  const before = await refused();
  const { child } = opener.process;
  child.kill('SIGSTOP');
  await eventually(() => isStopped(child.pid));
  await change();
  await attempt(path, () => child.kill('SIGCONT'));
  await gone(path);
  return (await refused()) > before;
}

/** Every thread of it. */
async function isStopped(pid: number | undefined): Promise<void> {
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    if (!/\) T /.test(stat)) throw new Error(`it still runs: ${stat}`);
  }
}

async function stopsInOrder(t: Test, pair: Pair, domid: number): Promise<void> {
  const [survivor, victim] = domid === LOW ? [pair.high, pair.low] : [pair.low, pair.high];
  const path = await socketOf(survivor, domid, 'echo');
  const socket = await dial(path);
  socket.write('before');
  t.equal(String((await once(socket, 'data'))[0]), 'before', 'a stream is open');
  const rest = readAll(socket);
  victim.process.child.kill('SIGTERM');
  await gone(path);
  socket.end(' after');
  t.equal(String(await rest), ' after', 'the stream ends in order');
  t.equal((await victim.process.finished).code, 0, 'and so does the daemon');
}

async function isKilled(pair: Pair, domid: number): Promise<void> {
  const [survivor, victim] = domid === LOW ? [pair.high, pair.low] : [pair.low, pair.high];
  const path = await socketOf(survivor, domid, 'echo');
  const cut = ended(await dial(path));
  await killDaemon(victim);
  await cut;
  await gone(path);
}

const ARRANGEMENTS: readonly (Releases & { readonly name: string })[] = [
  { name: 'the release before grants', low: 'this', high: 'before' },
  { name: 'this release grants', low: 'before', high: 'this' },
];

for (const { name, ...releases } of ARRANGEMENTS) {
  t.test(name, { skip: withoutRelease }, async t => {
    const pair = await startPair(t, releases);
    /** Its status says the most. */
    const current = (): TestDaemon => (releases.low === 'this' ? pair.low : pair.high);

    await t.test('every size is echoed, both directions at once', async t => {
      for (const size of SIZES) t.ok(await bothEcho(pair, size), `${size} bytes`);
      t.equal((await peerOf(current())).features, 0, 'nothing but the base set');
      await eventually(async () => {
        if (((await peerOf(current())).counters?.roundTrip ?? 0) === 0) throw new Error('no PONG');
      });
    });

    await t.test('the service ends first and still reads what comes after', async t => {
      for (const path of await pathsOf(pair, 'late')) {
        const socket = await dial(path);
        t.equal(String(await readAll(socket)), 'bye', 'end-of-file arrives');
        socket.end(ANSWER);
        t.ok((await pair.received.pop())?.equals(ANSWER), 'the other direction is still open');
      }
    });

    await t.test('the program ends first and still reads the answer', async t => {
      for (const path of await pathsOf(pair, 'answer')) {
        const socket = await dial(path);
        const answer = readAll(socket);
        socket.end('question');
        t.ok((await answer).equals(ANSWER), 'the whole answer');
      }
    });

    await t.test('refused: no target, denied, no such service', async t => {
      await refusals(pair.low, pair.high, pair, current());
      await refusals(pair.high, pair.low, pair, current());
      t.ok(await bothEcho(pair, 10_000), 'the link is as good as before');
    });

    await t.test('either daemon is killed, or stopped, and started again', async t => {
      for (const domid of [LOW, HIGH]) {
        await isKilled(pair, domid);
        await pair.restart(domid);
        t.ok(await bothEcho(pair, 200_000), `domain ${domid} was killed and is back`);
      }
      for (const domid of [LOW, HIGH]) {
        await stopsInOrder(t, pair, domid);
        await pair.restart(domid);
        t.ok(await bothEcho(pair, 200_000), `domain ${domid} has stopped and is back`);
      }
    });
  });

  t.test(`${name}, and both have two lanes`, { skip: withoutRelease }, async t => {
    const pair = await startPair(t, releases, 2);
    const current = releases.low === 'this' ? pair.low : pair.high;
    await eventually(async () => {
      const lanes = (await peerOf(current)).counters?.lanes;
      if (lanes !== 2) throw new Error(`${lanes} lanes`);
    });
    const rounds = await Promise.all(Array.from({ length: 8 }, () => bothEcho(pair, 100_000)));
    t.ok(rounds.every(Boolean), 'streams on both');
  });
}

t.test('domains are upgraded one after the other, and back', { skip: withoutRelease }, async t => {
  const pair = await startPair(t, { low: 'before', high: 'before' });
  t.ok(await bothEcho(pair, 200_000), 'both of the release before');
  const steps: readonly (readonly [number, Release])[] = [
    [LOW, 'this'],
    [HIGH, 'this'],
    [LOW, 'before'],
    [HIGH, 'before'],
  ];
  for (const [domid, release] of steps) {
    t.equal(await stopDaemon(domid === LOW ? pair.low : pair.high), 0, `domain ${domid} stops`);
    await pair.restart(domid, release);
    t.ok(
      await bothEcho(pair, 200_000),
      `domain ${domid} is back, ${release === 'this' ? 'upgraded' : 'downgraded'}`,
    );
  }
});
