/** What became of the own home when the mark in it is lost: the domain was restored, or somebody rewrote the home. */
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { HomeWatch } from '../../../daemon/discovery/home-watch.js';
import { XsockError } from '../../../daemon/errors.js';
import type { DomId, EventChannelPort } from '../../../daemon/ids.js';
import type { Watch, Xenstore } from '../../../daemon/xenstore/xenstore.js';
import { eventually } from '../../support/eventually.js';

const MARK = '/local/domain/3/data/xsock/daemon';
const NOBODY_WRITES = '/tool/xsock';

/** A home with the mark in it. A watch fires once at once; later when the test says so. */
function fakeHome() {
  const nodes = new Map([
    ['domid', '3'],
    [MARK, 'mark'],
  ]);
  const watches = new Map<symbol, readonly [path: string, onEvent: () => void]>();
  /** Undefined: events come at once. */
  const events: { held: (() => void)[] | undefined } = { held: undefined };
  /** Why xenstored does not answer a read now. */
  const refusal: { errno: string | undefined } = { errno: undefined };
  const read = async (path: string): Promise<string> => {
    const { errno } = refusal;
    if (errno !== undefined) throw new XsockError('XENSTORE', errno, { errno });
    const value = nodes.get(path);
    if (value === undefined) throw new XsockError('XENSTORE', 'ENOENT', { errno: 'ENOENT' });
    return value;
  };
  const watch = async (path: string, onEvent: () => void): Promise<Watch> => {
    const key = Symbol(path);
    watches.set(key, [path, onEvent]);
    if (events.held === undefined) setImmediate(onEvent);
    else events.held.push(onEvent);
    return {
      problem: undefined,
      close: async () => {
        watches.delete(key);
      },
    };
  };
  const fire = (path?: string): void => {
    for (const [watched, onEvent] of watches.values()) {
      if (path === undefined || path === watched) onEvent();
    }
  };
  return {
    nodes,
    watches,
    events,
    refusal,
    xenstore: { read, watch } as unknown as Xenstore,
    fire,
  };
}

async function watching(t: Test, { domid = 3 }: { readonly domid?: number } = {}) {
  const home = fakeHome();
  const told: string[] = [];
  const named: (readonly EventChannelPort[])[] = [];
  const watch = new HomeWatch({
    xenstore: home.xenstore,
    domid: domid as DomId,
    instance: 'mark',
    log: pino({ level: 'silent' }),
    onRestored: () => told.push('restored'),
    onSame: ports => {
      told.push('same');
      named.push(ports);
    },
    onRewritten: ports => {
      told.push('rewritten');
      named.push(ports);
    },
  });
  t.teardown(() => watch.close());
  await watch.start();
  const until = (wanted: string, count = 1) =>
    eventually(async () => {
      const found = told.filter(word => word === wanted).length;
      if (found < count) throw new Error(`${wanted}: ${found} times of ${told.join()}`);
    });
  if (domid === 3) await until('same', 1);
  told.length = 0;
  named.length = 0;
  return { ...home, watch, told, named, until };
}

t.test('watches that fire, or a check, with everything unchanged', async t => {
  const { fire, watch, told, until } = await watching(t);
  fire();
  await until('same');
  watch.look();
  await until('same', 2);
  t.same(new Set(told), new Set(['same']));
});

t.test('a check names the ports whose close was deferred before it began, each once', async t => {
  const { watch, named, until, refusal, nodes } = await watching(t);
  const [a, b, c] = [5, 6, 7] as [EventChannelPort, EventChannelPort, EventChannelPort];
  watch.closesDeferred([a, b]);
  // That check is under way.
  watch.closesDeferred([c]);
  await until('same', 2);
  t.same(named, [[a, b], [c]]);
  named.length = 0;
  refusal.errno = 'ENOMEM';
  watch.closesDeferred([a]);
  await new Promise(setImmediate);
  t.same(named, [], 'a check that failed names none');
  refusal.errno = undefined;
  nodes.delete(MARK);
  await until('rewritten');
  t.same(named, [[a]], 'the next one does');
});

t.test('all watches fire and the mark is lost: restored, reported once', async t => {
  const { nodes, fire, watch, told, until } = await watching(t);
  nodes.delete(MARK);
  fire();
  await until('restored');
  nodes.set(MARK, 'mark');
  fire();
  watch.look();
  await new Promise(setImmediate);
  t.same(told, ['restored'], 'nothing is the same any more');
});

t.test('a check before the watches have fired waits for them', async t => {
  const { nodes, fire, watch, told, until, watches, events } = await watching(t);
  const before = watches.size;
  const held: (() => void)[] = [];
  events.held = held;
  nodes.delete(MARK);
  watch.look();
  await eventually(async () => {
    if (watches.size === before) throw new Error('it has not asked yet');
  });
  // Under way before the event of the watch that was set to wait for it.
  fire(NOBODY_WRITES);
  for (const event of held) event();
  await until('restored');
  t.same(told, ['restored']);
});

t.test('a read that is refused for lack of memory says nothing about the mark', async t => {
  const { refusal, fire, told, until } = await watching(t);
  refusal.errno = 'ENOMEM';
  fire();
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  refusal.errno = undefined;
  await until('same');
  t.same(new Set(told), new Set(['same']));
});

t.test('another domid: restored', async t => {
  const { nodes, fire, told, until } = await watching(t);
  nodes.set('domid', '9');
  fire();
  await until('restored');
  t.same(told, ['restored']);
});

t.test('the mark is removed and no watch was set again: rewritten', async t => {
  const { nodes, fire, told, until, watches } = await watching(t);
  const before = watches.size;
  nodes.delete(MARK);
  fire(MARK);
  await until('rewritten');
  nodes.set(MARK, 'mark');
  fire(MARK);
  await until('same');
  t.same(told, ['rewritten', 'same']);
  t.equal(watches.size, before, 'no watch is left behind');
});

t.test('domain 0 is never restored', async t => {
  const { told, until, fire } = await watching(t, { domid: 0 });
  fire();
  await until('rewritten');
  t.notOk(told.includes('restored'));
});

t.test('a program that removes the mark in a loop is rate-limited', async t => {
  const { nodes, fire, told, until } = await watching(t);
  nodes.delete(MARK);
  const from = performance.now();
  for (let i = 0; i < 200; i++) {
    fire(MARK);
    await new Promise(setImmediate);
  }
  await until('rewritten');
  const allowed = 3 + Math.ceil((performance.now() - from) / 10_000);
  t.ok(told.length <= allowed, `${told.length} of ${allowed}`);
});
