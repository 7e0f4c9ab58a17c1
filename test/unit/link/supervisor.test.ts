/** The supervisor against a data plane that answers when the test says so: what comes late is given back. */
import { once } from 'node:events';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { DomId, EventChannelPort, GrantRef, LinkId } from '../../../daemon/ids.js';
import { LinkNodes } from '../../../daemon/link/nodes.js';
import { LinkSupervisor } from '../../../daemon/link/supervisor.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { FakeHost } from '../../support/fake-dataplane.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const SELF = 3 as DomId;
const PEER = 0 as DomId;
const OURS = 'a'.repeat(32);
const THEIRS = 'b'.repeat(32);
const DIRECTORY = '/local/domain/3/data/xsock/0';

/** A server, domain 3, for domain 0; `happened` tells of links that come up and go down. */
async function setUp(t: Test) {
  const xenstored = new Xenstored();
  const socket = join(temporaryDirectory(t), 'x');
  await xenstored.listen(SELF, socket);
  xenstored.createHome({ domid: SELF, name: 'a', uuid: 'u' });
  xenstored.introduce(SELF);
  const xenstore = await connectXenstore(unixTransport(socket));
  t.teardown(async () => {
    await xenstore.close();
    await xenstored.close();
  });
  const host = new FakeHost();
  const [ours, theirs] = [host.dataplane(SELF, OURS), host.dataplane(PEER, THEIRS)];
  const happened: string[] = [];
  const nodes = new LinkNodes(xenstore, SELF, PEER);
  const tell = new EventTarget();
  const record = (what: string): void => {
    happened.push(what);
    tell.dispatchEvent(new Event(what));
  };
  const supervisor = new LinkSupervisor({
    self: SELF,
    peer: PEER,
    dataplane: ours,
    nodes,
    log: pino({ level: 'silent' }),
    ringOrder: () => 12,
    onLink: () => record('link'),
    onUp: () => record('up'),
    onDraining: () => record('draining'),
    onDown: (_link, reason) => record(`down ${reason}`),
    random: () => 1,
  });
  ours.onEvents(events => {
    for (const event of events) {
      if (event.kind === 'link-up' || event.kind === 'link-down') supervisor.handle(event);
    }
  });
  await nodes.publish({ instance: OURS });
  /** Until this has happened; ask before making it happen. */
  const until = (what: string): Promise<unknown> => once(tell, what);
  /** Waits behind whatever is being published. */
  const published = async (): Promise<readonly string[]> => {
    await nodes.again();
    return [...(await xenstore.list(DIRECTORY))].sort();
  };
  const take = (link: LinkId | undefined) =>
    theirs.connect(SELF, Number(link) as GrantRef, Number(link) as EventChannelPort);
  return { host, ours, theirs, supervisor, happened, until, published, take, xenstore, nodes };
}

t.test('an offer is published, taken, and withdrawn with its link', async t => {
  const { host, supervisor, until, published, take, xenstore } = await setUp(t);
  const linked = until('link');
  supervisor.observe(THEIRS, undefined);
  await linked;
  t.same(await published(), ['event-channel', 'instance', 'offer-id', 'ring-ref']);
  const up = until('up');
  await take(supervisor.link);
  await up;
  t.equal(supervisor.state.kind, 'up');
  t.equal(supervisor.features, 5, 'what the data plane says was negotiated');
  const down = until('down peer domain gone');
  supervisor.observe(undefined, undefined);
  await down;
  t.equal(supervisor.state.kind, 'absent');
  t.equal(supervisor.features, undefined);
  t.same(await published(), ['instance']);
  await supervisor.stop(0);
  t.equal(host.ends.size, 0);
  t.same(await xenstore.list('/local/domain/3/data/xsock'), [], 'nothing of ours is left');
});

t.test('why the last link ended is kept, whatever follows', async t => {
  const { ours, supervisor, until, take } = await setUp(t);
  t.equal(supervisor.lastEnd, undefined);
  const linked = until('link');
  supervisor.observe(THEIRS, undefined);
  await linked;
  const up = until('up');
  await take(supervisor.link);
  await up;
  t.equal(supervisor.lastEnd, undefined, 'not a word of it yet');
  const { link } = supervisor;
  const down = until('down peer-gone');
  ours.end(link as LinkId, 'peer-gone');
  await down;
  t.match(supervisor.lastEnd, { reason: 'peer-gone' });
  const again = until('link');
  await again;
  t.equal(supervisor.state.kind, 'offering');
  t.match(supervisor.lastEnd, { reason: 'peer-gone' }, 'while it is made again');
  supervisor.observe(undefined, undefined);
  t.equal(supervisor.state.kind, 'absent');
  t.match(supervisor.lastEnd, { reason: 'peer-gone' }, 'and without the peer');
  await supervisor.stop(0);
});

t.test('an offer that is ready after the peer has gone is released', async t => {
  const { host, ours, supervisor, until, published } = await setUp(t);
  let release = (): void => {};
  ours.before = call =>
    call === 'offer' ? new Promise<void>(resolve => (release = resolve)) : undefined;
  supervisor.observe(THEIRS, undefined);
  supervisor.observe(undefined, undefined);
  const linked = until('link');
  release();
  await linked;
  t.equal(supervisor.link, undefined);
  t.same(await published(), ['instance']);
  await supervisor.stop(0);
  t.equal(host.ends.size, 0);
});

t.test('and one that is ready after stop()', async t => {
  const { host, ours, supervisor, until } = await setUp(t);
  let release = (): void => {};
  ours.before = call =>
    call === 'offer' ? new Promise<void>(resolve => (release = resolve)) : undefined;
  supervisor.observe(THEIRS, undefined);
  await supervisor.stop(0);
  const linked = until('link');
  release();
  await linked;
  await new Promise(setImmediate);
  t.equal(host.ends.size, 0);
});

t.test('a link that breaks is offered again; one that cannot be made is retried', async t => {
  const { ours, supervisor, happened, until, take } = await setUp(t);
  let linked = until('link');
  supervisor.observe(THEIRS, undefined);
  await linked;
  const up = until('up');
  await take(supervisor.link);
  await up;
  let refusals = 1;
  ours.before = call => {
    if (call === 'offer' && refusals-- > 0) throw new Error('no grants left');
  };
  linked = until('link');
  ours.end(supervisor.link as LinkId, 'silent');
  await linked;
  t.same(happened, ['link', 'up', 'down silent', 'link']);
  t.equal(ours.calls.filter(call => call === 'offer').length, 3);
  t.equal(supervisor.state.kind, 'offering');
  await supervisor.stop(0);
});

t.test('an offer whose nodes cannot be written is released and retried', async t => {
  const { host, ours, supervisor, until, published, nodes } = await setUp(t);
  const publish = nodes.publish.bind(nodes);
  let refusals = 1;
  nodes.publish = change =>
    change.offer !== undefined && refusals-- > 0
      ? Promise.reject(new Error('ENOSPC'))
      : publish(change);
  const first = until('link');
  supervisor.observe(THEIRS, undefined);
  await first;
  await until('link');
  t.ok(ours.calls.includes('closeLink 0'));
  t.same(await published(), ['event-channel', 'instance', 'offer-id', 'ring-ref']);
  t.equal(supervisor.state.kind, 'offering');
  await supervisor.stop(0);
  t.equal(host.ends.size, 0);
});

t.test('a daemon whose HELLO names another instance than xenstore is rejected', async t => {
  const { ours, host, supervisor, happened, until, take } = await setUp(t);
  const linked = until('link');
  supervisor.observe('c'.repeat(32), undefined);
  await linked;
  const again = until('link');
  await take(supervisor.link);
  await again;
  t.notOk(happened.includes('up'));
  t.ok(ours.calls.includes('closeLink 0'));
  await supervisor.stop(0);
  t.equal(host.ends.size, 0);
});

t.test('drop() ends the link now', async t => {
  const { host, supervisor, until, take, published } = await setUp(t);
  const linked = until('link');
  supervisor.observe(THEIRS, undefined);
  await linked;
  const up = until('up');
  await take(supervisor.link);
  await up;
  supervisor.drop(supervisor.link as LinkId, 'a list of nonsense');
  t.equal(supervisor.state.kind, 'down');
  t.same(await published(), ['instance']);
  await supervisor.stop(0);
  t.equal(host.ends.size, 0);
});
