/** A peer cannot fill the log: lines are limited per peer and kind, what is left out is counted. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import t from 'tap';
import type { DomId } from '../../../daemon/ids.js';
import { PeerLogs } from '../../../daemon/log/peer-logs.js';

const A = 3 as DomId;
const B = 4 as DomId;

interface Line {
  readonly level: number;
  readonly peer: number;
  readonly msg: string;
  readonly count?: number;
  readonly kind?: string;
  readonly node?: string;
}

function setUp(level = 'info', perSecond = 0.001) {
  const output = new PassThrough();
  const text: string[] = [];
  output.on('data', (chunk: Buffer) => text.push(chunk.toString()));
  const log = pino({ base: null, level }, output);
  const logs = new PeerLogs(log, { burst: 5, perSecond, kinds: 8 });
  const lines = (): Line[] =>
    text
      .join('')
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line));
  return { log, logs, lines, output };
}

t.test('each peer and each kind has its own limit', async t => {
  const { logs, lines } = setUp();
  for (let i = 0; i < 1000; i += 1) logs.of(A).warn({ node: 'x' }, 'malformed');
  logs.of(A).error('something else');
  logs.of(B, { node: 'y' }).warn('malformed');
  t.same(
    lines().map(({ peer, msg, node }) => [peer, msg, node]),
    [
      ...Array.from({ length: 5 }, () => [3, 'malformed', 'x']),
      [3, 'something else', undefined],
      [4, 'malformed', 'y'],
    ],
  );
  logs.close();
  t.match(lines().at(-1), {
    level: 40,
    peer: 3,
    count: 995,
    kind: 'malformed',
    msg: '995 more of these lines were left out: malformed',
  });
});

t.test('the count comes by itself, once for all that were left out', async t => {
  const { logs, lines, output } = setUp('info', 20);
  for (let i = 0; i < 100; i += 1) logs.of(A).info('link is up');
  const written = lines().length;
  // The timer of the count keeps no process alive, this one does.
  const deadline = setTimeout(() => output.destroy(new Error('no count was written')), 20_000);
  await once(output, 'data');
  clearTimeout(deadline);
  t.match(lines().at(-1), { count: 100 - written });
  t.equal(lines().length, written + 1);
});

t.test('debug passes, and lines below the level do not use up the limit', async t => {
  const loud = setUp('debug');
  for (let i = 0; i < 100; i += 1) loud.logs.of(A).debug('stream opened');
  t.equal(loud.lines().length, 100);
  const quiet = setUp('warn');
  for (let i = 0; i < 100; i += 1) quiet.logs.of(A).info('link is up');
  quiet.logs.of(A).warn('link is up');
  t.equal(quiet.lines().length, 1);
});

t.test('a level that is changed later applies immediately', async t => {
  const { log, logs, lines } = setUp('info');
  const peer = logs.of(A);
  peer.debug('not yet');
  log.level = 'debug';
  peer.debug({ err: new Error('why') }, 'now');
  t.match(lines(), [{ level: 20, peer: 3, msg: 'now', err: { message: 'why' } }]);
});

t.test('an unlimited number of kinds shares one limit', async t => {
  const { logs, lines } = setUp();
  for (let i = 0; i < 1000; i += 1) logs.of(A).warn(`message ${i}`);
  t.equal(lines().length, 8 + 5, 'seven or eight of their own, a burst of others');
  logs.close();
  t.equal(
    lines().reduce((sum, { count = 0 }) => sum + count, 0),
    1000 - 13,
  );
});

t.test('a peer that is gone leaves its count and nothing else', async t => {
  const { logs, lines } = setUp();
  const log = logs.of(A);
  for (let i = 0; i < 9; i += 1) log.warn('link is down');
  logs.forget(A);
  t.match(lines().at(-1), { peer: 3, count: 4 });
  logs.forget(A);
  t.equal(lines().length, 6);
});
