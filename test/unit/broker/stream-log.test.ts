/** Which streams leave a line, and that a peer cannot fill the log. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import t from 'tap';
import { StreamLog } from '../../../daemon/broker/stream-log.js';
import type { DataplaneEvent } from '../../../daemon/dataplane/dataplane.js';
import type { DomId, LinkId } from '../../../daemon/ids.js';
import { PeerLogs } from '../../../daemon/log/peer-logs.js';

const PEER = 3 as DomId;
const OTHER = 4 as DomId;

type Refused = Extract<DataplaneEvent, { readonly kind: 'stream-refused' }>;

function refused(direction: 'incoming' | 'outgoing', service: string): Refused {
  return {
    kind: 'stream-refused',
    link: 1 as LinkId,
    stream: 1,
    direction,
    service,
    reason: 'denied',
    detail: '',
  };
}

function setUp() {
  const output = new PassThrough();
  const text: string[] = [];
  output.on('data', (chunk: Buffer) => text.push(chunk.toString()));
  const log = pino({ base: null }, output);
  const lines = (): {
    peer: number;
    msg: string;
    why?: string;
    service?: string;
    count?: number;
    remedy?: string;
  }[] =>
    text
      .join('')
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line));
  return { log: new StreamLog(new PeerLogs(log)), lines, output };
}

t.test('refusals are logged, by us and by the peer, with the name escaped', async t => {
  const { log, lines } = setUp();
  log.write(PEER, refused('incoming', '\u001b[2J'));
  log.write(PEER, refused('outgoing', 'http'));
  t.same(
    lines().map(({ peer, msg, why }) => ({ peer, msg, why })),
    [
      { peer: 3, msg: 'stream refused', why: 'not allowed to domain 3' },
      {
        peer: 3,
        msg: 'outgoing stream refused',
        why: 'domain 3 does not allow it to this domain',
      },
    ],
  );
  t.notOk(lines()[0]?.service?.includes('\u001b'));
});

t.test('a target that the daemon may not connect to: the line says what to do', async t => {
  const { log, lines } = setUp();
  const detail = (text: string) => ({
    ...refused('incoming', 'xend'),
    reason: 'target-unavailable' as const,
    detail: text,
  });
  log.write(PEER, detail('unix:/run/xend/xmlrpc.sock: Permission denied'));
  log.write(OTHER, detail('unix:/run/xend/xmlrpc.sock: No such file or directory'));
  const [denied, missing] = lines();
  t.match(denied?.remedy, /setfacl.*Targets of other users/);
  t.equal(missing?.remedy, undefined);
});

t.test('refusals of one peer in a loop are summarised; other peers are not affected', async t => {
  const { log, lines, output } = setUp();
  for (let i = 0; i < 1000; i += 1) log.write(PEER, refused('incoming', 'ssh'));
  log.write(OTHER, refused('incoming', 'ssh'));
  const of = (domid: number) => lines().filter(({ peer }) => peer === domid);
  const written = of(PEER).length;
  t.ok(written >= 30 && written < 40, `${written} lines`);
  t.equal(of(OTHER).length, 1);
  // The timer of the sum keeps no process alive, this one does.
  const deadline = setTimeout(() => output.destroy(new Error('no sum was written')), 20_000);
  await once(output, 'data');
  clearTimeout(deadline);
  t.equal(of(PEER).at(-1)?.count, 1000 - written, 'none is lost');
});
