/** How events reach the control plane: in portions, with everybody else's turn in between. */
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { NativeEvent } from '../../../daemon/dataplane/boundary.js';
import { EventFeed, LISTS_AT_ONCE, PORTION } from '../../../daemon/dataplane/event-feed.js';
import type { LinkId } from '../../../daemon/ids.js';
import { eventually } from '../../support/eventually.js';

const list = (link: number, text = ''): NativeEvent => ({
  kind: 'services',
  link: link as LinkId,
  payload: Buffer.from(text),
});
const down = (link: number): NativeEvent => ({
  kind: 'link-down',
  link: link as LinkId,
  reason: 'closed',
  detail: '',
});
const refused = (link: number, stream: number): NativeEvent => ({
  kind: 'stream-refused',
  link: link as LinkId,
  stream,
  direction: 'incoming',
  service: 'svc',
  reason: 'denied',
  detail: '',
});
const isList = ({ kind }: NativeEvent): boolean => kind === 'services';

/** A feed, what it has handed over, and what it would take next. */
function feed(onDeliver: (events: readonly NativeEvent[]) => void = () => {}) {
  const waiting: NativeEvent[] = [];
  const portions: (readonly NativeEvent[])[] = [];
  const made: EventFeed = new EventFeed({
    take: () => waiting.splice(0),
    deliver: events => {
      portions.push(events);
      onDeliver(events);
    },
  });
  const push = (...events: NativeEvent[]): void => {
    waiting.push(...events);
    made.wake();
  };
  return { feed: made, push, portions, all: () => portions.flat() };
}

t.test('a flood of events: a bounded portion for each turn, in their order', async t => {
  const { push, portions, all } = feed();
  const flood = Array.from({ length: 3 * PORTION }, (_, stream) => refused(1, stream));
  push(...flood, down(2));
  t.equal(portions.length, 0, 'nothing within the call that wakes');
  for (let turns = 1; turns <= 4; turns++) {
    await turn();
    t.ok(portions.length <= turns, `${portions.length} portions after ${turns} turns`);
  }
  await eventually(async () => {
    if (all().length <= flood.length) throw new Error('more has to come');
  });
  t.strictSame(all(), [...flood, down(2)]);
  t.ok(portions.every(({ length }) => length <= PORTION));
});

t.test(
  'lists in a loop: one per turn, then limited per link; other links are not delayed',
  async t => {
    let more = 0;
    const {
      feed: made,
      push,
      all,
    } = feed(events => {
      // The peer sends the next list while this one is read.
      if (events.some(event => isList(event) && 'link' in event && event.link === 1)) {
        push(list(1, String(++more)));
      }
    });
    t.teardown(() => made.close());
    push(list(1));
    let others = 0;
    for (let turns = 1; turns <= 100; turns++) {
      if (turns % 10 === 0) {
        push(down(100 + turns));
        others += 1;
      }
      await turn();
      t.ok(all().filter(isList).length <= turns, `turn ${turns}`);
    }
    t.ok(all().filter(isList).length <= LISTS_AT_ONCE + 1, 'its pace');
    push(list(2, 'other'));
    await eventually(async () => {
      if (!all().some(event => 'link' in event && event.link === 2))
        throw new Error('link 2 waits');
    });
    t.equal(all().filter(({ kind }) => kind === 'link-down').length, others);
  },
);

t.test('of lists that come too fast only the last one is read', async t => {
  const { feed: made, push, all } = feed();
  t.teardown(() => made.close());
  for (let i = 0; i <= LISTS_AT_ONCE; i++) {
    push(list(1, `early ${i}`));
    await turn();
    await turn();
  }
  const before = all().length;
  push(list(1, 'never read'));
  await turn();
  push(list(1, 'last'));
  await eventually(async () => {
    if (all().length === before) throw new Error('it waits');
  });
  t.match(all().at(-1), { payload: Buffer.from('last') });
});

t.test('the list of a link that is down is not read', async t => {
  const { push, all } = feed();
  push(list(1, 'a'), down(1));
  await turn();
  await turn();
  push(list(2, 'b'));
  push(down(2));
  await eventually(async () => {
    if (all().filter(({ kind }) => kind === 'link-down').length < 2) throw new Error('not yet');
  });
  t.strictSame(
    all().map(event => [event.kind, 'link' in event ? event.link : 0]),
    [
      ['services', 1],
      ['link-down', 1],
      ['services', 2],
      ['link-down', 2],
    ],
    'the order of a link stays',
  );
});

t.test('after close() nothing is handed over', async t => {
  const { feed: made, push, portions } = feed();
  push(down(1));
  made.close();
  push(down(2));
  await turn();
  await turn();
  t.equal(portions.length, 0);
});
