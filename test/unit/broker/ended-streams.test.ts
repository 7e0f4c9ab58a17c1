/** Who is told what about a stream that has ended, and for how long it is known. */
import t from 'tap';
import { EndedStreams, MOST_PER_PEER } from '../../../daemon/broker/ended-streams.js';
import type { DataplaneEvent } from '../../../daemon/dataplane/dataplane.js';
import type { DomId, LinkId } from '../../../daemon/ids.js';

const PEER = 3 as DomId;
const OTHER = 4 as DomId;

type Refused = Extract<DataplaneEvent, { readonly kind: 'stream-refused' }>;

function refused(program: number | undefined): Refused {
  return {
    kind: 'stream-refused',
    link: 1 as LinkId,
    stream: 2,
    direction: 'outgoing',
    service: 'svc',
    reason: 'target-unavailable',
    detail: '',
    ...(program === undefined ? {} : { program }),
  };
}

function setUp() {
  let time = 1000;
  const now = (): number => time;
  const ended = new EndedStreams(now);
  time += 5000;
  const pass = (milliseconds: number): void => {
    time += milliseconds;
  };
  return { ended, now, pass };
}

t.test('a program learns about its own stream only', async t => {
  const { ended, now } = setUp();
  ended.note(PEER, refused(100));
  ended.note(PEER, refused(undefined));
  t.strictSame(ended.find(100, now() - 10), {
    end: 'cut',
    reason: 'target unavailable in domain 3',
  });
  t.strictSame(ended.find(101, now() - 10), { end: 'in-order', reason: '' });
});

t.test('the last of several counts; an earlier process of that pid does not', async t => {
  const { ended, now, pass } = setUp();
  ended.note(PEER, refused(100));
  pass(10);
  const { detail, ...event } = refused(100);
  ended.note(OTHER, {
    ...event,
    kind: 'stream-closed',
    reason: 'link-down',
    bytesSent: 0,
    bytesReceived: 1,
  });
  t.strictSame(ended.find(100, now() - 50), {
    end: 'cut',
    reason: 'the link with domain 4 went down',
  });
  pass(10);
  t.equal(ended.find(100, now() - 9).end, 'in-order', 'that was before it opened its stream');
  ended.forget(OTHER);
  t.equal(ended.find(100, now() - 50).reason, 'target unavailable in domain 3');
});

t.test('what the daemon cannot know is reported as unknown', async t => {
  const { ended, now, pass } = setUp();
  t.match(ended.find(100, now() - 5001), { end: 'unknown', reason: /was started after/ });
  ended.noteLost();
  pass(10);
  t.match(ended.find(100, now() - 10), { end: 'unknown', reason: /keep up/ });
  t.equal(ended.find(100, now() - 9).end, 'in-order');
});

t.test('entries are bounded for each peer, and no peer evicts those of others', async t => {
  const { ended, now } = setUp();
  ended.note(OTHER, refused(1));
  for (let program = 2; program < MOST_PER_PEER + 3; program += 1)
    ended.note(PEER, refused(program));
  t.equal(ended.find(1, now()).end, 'cut');
  t.equal(ended.find(2, now()).end, 'in-order', 'the oldest was forgotten');
  t.equal(ended.find(3, now()).end, 'cut');
  t.equal(ended.find(MOST_PER_PEER + 2, now()).end, 'cut');
});
