/** The loopback xenstored, through the project's own client over real sockets: what Xen's does. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { XenstoredLimits } from '../../../daemon/loopback/xenstored/limits.js';
import { Xenstored } from '../../../daemon/loopback/xenstored/xenstored.js';
import { connectXenstore, type XenstoreClient } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import {
  encodeMessage,
  joinFields,
  MessageDecoder,
  MessageType,
} from '../../../daemon/xenstore/wire.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

async function start(t: Test, domids: readonly number[], limits: Partial<XenstoredLimits> = {}) {
  const directory = temporaryDirectory(t);
  const xenstored = new Xenstored(limits);
  t.teardown(() => xenstored.close());
  const add = async (domid: number, name = `d${domid}`): Promise<void> => {
    await xenstored.listen(domid, join(directory, String(domid)));
    xenstored.createHome({ domid, name, uuid: `uuid-${domid}` });
    xenstored.introduce(domid);
  };
  for (const domid of domids) await add(domid);
  const as = async (domid: number): Promise<XenstoreClient> => {
    const client = await connectXenstore(unixTransport(join(directory, String(domid))));
    t.teardown(() => client.close());
    return client;
  };
  return { xenstored, directory, add, as };
}

/** Collects a watch's events and tells when there are as many as wanted. */
async function watching(client: XenstoreClient, path: string) {
  const events: string[] = [];
  let wake = (): void => {};
  await client.watch(path, changed => {
    events.push(changed);
    wake();
  });
  const until = async (count: number): Promise<readonly string[]> => {
    while (events.length < count) {
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
    return events.splice(0);
  };
  return { until, events };
}

/** The request is refused with this errno. */
async function fails(t: Test, request: Promise<unknown>, errno: string, name = errno) {
  await t.rejects(request, { message: new RegExp(errno) }, name);
}

t.test('values, lists and removal; what is missing', async t => {
  const { as } = await start(t, [0, 3]);
  const guest = await as(3);
  await guest.write('data/a/b/c', 'deep');
  t.equal(await guest.read('/local/domain/3/data/a/b/c'), 'deep');
  t.equal(await guest.read('data/a'), '', 'parents come along, empty');
  await guest.mkdir('data/a/d');
  await guest.mkdir('data/a/b');
  t.same([...(await guest.list('data/a'))].sort(), ['b', 'd']);
  await guest.remove('data/a');
  await fails(t, guest.read('data/a/b/c'), 'ENOENT');
  await guest.remove('data/nothing');
  await fails(t, guest.remove('data/no/thing'), 'ENOENT');
  t.same(await guest.list('data'), []);
});

t.test('rights: a guest writes below its data, and reads what it is shown', async t => {
  const { as } = await start(t, [0, 3, 4]);
  const [dom0, one, two] = [await as(0), await as(3), await as(4)];
  for (const path of ['/local/domain/3/name', '/tool/x', '/local/domain/3/new', '/x']) {
    await fails(t, one.write(path, 'x'), 'EACCES', path);
  }
  for (const path of ['/local/domain', '/', '/vm']) {
    await fails(t, one.list(path), 'EACCES', path);
  }
  t.equal(await one.read('name'), 'd3');
  await fails(t, two.read('/local/domain/3/name'), 'EACCES');
  await one.write('data/secret', 's');
  await fails(t, two.read('/local/domain/3/data/secret'), 'EACCES');
  await fails(t, two.read('/local/domain/3/data/none'), 'EACCES', 'not even that');
  await one.setPermissions('data/secret', [
    { access: 'n', domid: 3 },
    { access: 'r', domid: 4 },
  ]);
  t.equal(await two.read('/local/domain/3/data/secret'), 's');
  await fails(t, two.write('/local/domain/3/data/secret', 'x'), 'EACCES');
  await fails(
    t,
    two.setPermissions('/local/domain/3/data/secret', [{ access: 'b', domid: 4 }]),
    'EACCES',
  );
  await fails(t, one.setPermissions('data/secret', [{ access: 'b', domid: 4 }]), 'EACCES');
  await one.write('data/secret/child', '');
  t.same(await one.getPermissions('data/secret/child'), [
    { access: 'n', domid: 3 },
    { access: 'r', domid: 4 },
  ]);
  t.equal(await dom0.read('/local/domain/3/data/secret'), 's', 'domain 0 sees all');
});

t.test('watches: at once, on changes below, on removal of what is above', async t => {
  const { as } = await start(t, [0, 3]);
  const [dom0, guest] = [await as(0), await as(3)];
  const relative = await watching(guest, 'data/w');
  const absolute = await watching(dom0, '/local/domain/3/data/w/x');
  t.same(await relative.until(1), ['data/w']);
  t.same(await absolute.until(1), ['/local/domain/3/data/w/x']);
  await guest.write('data/w/x', '1');
  t.same(await relative.until(2), ['data/w', 'data/w/x']);
  t.same(await absolute.until(1), ['/local/domain/3/data/w/x']);
  await guest.remove('data/w');
  t.same(await relative.until(1), ['data/w']);
  t.same(await absolute.until(1), ['/local/domain/3/data/w/x'], 'it went with its parent');
});

t.test('watches fire for what may be read only; the special ones for domain 0 only', async t => {
  const { as, add, xenstored } = await start(t, [0, 3, 4]);
  const [dom0, one, two] = [await as(0), await as(3), await as(4)];
  const foreign = await watching(two, '/local/domain/3/data');
  const special = await watching(two, '@introduceDomain');
  const introduced = await watching(dom0, '@introduceDomain');
  const released = await watching(dom0, '@releaseDomain');
  for (const watch of [foreign, special, introduced, released]) await watch.until(1);
  await one.write('data/hidden', '1');
  await one.write('data/shown', '1');
  await one.setPermissions('data/shown', [
    { access: 'n', domid: 3 },
    { access: 'r', domid: 4 },
  ]);
  t.same(await foreign.until(1), ['/local/domain/3/data/shown']);
  await add(5);
  t.same(await introduced.until(1), ['@introduceDomain']);
  const exact = await watching(two, '/local/domain/3/data/shown');
  await exact.until(1);
  xenstored.removeHome(3);
  t.same(await exact.until(1), ['/local/domain/3/data/shown'], "that is how a peer's death shows");
  t.same(foreign.events, [], 'not on what is above and may not be read');
  xenstored.release(3);
  t.same(await released.until(1), ['@releaseDomain']);
  t.same(special.events, []);
});

t.test('transactions: isolated, all or nothing, EAGAIN on conflict', async t => {
  const { as } = await start(t, [0, 3]);
  const [guest, other] = [await as(3), await as(3)];
  await guest.write('data/n', '0');
  const watch = await watching(other, 'data');
  await watch.until(1);
  await fails(
    t,
    guest.transaction(async tx => {
      await tx.write('data/n', 'never');
      t.equal(await tx.read('data/n'), 'never');
      t.equal(await guest.read('data/n'), '0', 'nobody else sees it');
      throw new Error('changed my mind');
    }),
    'changed my mind',
  );
  t.equal(await guest.read('data/n'), '0');
  let attempts = 0;
  await guest.transaction(async tx => {
    attempts += 1;
    const value = Number(await tx.read('data/n'));
    if (attempts === 1) await other.write('data/n', '10');
    await tx.write('data/n', String(value + 1));
    await tx.write('data/m', 'new');
  });
  t.equal(attempts, 2);
  t.equal(await guest.read('data/n'), '11');
  t.same(
    await watch.until(3),
    ['data/n', 'data/n', 'data/m'],
    'events at the commit, none of the rest',
  );
  await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      (index % 2 === 0 ? guest : other).transaction(async tx =>
        tx.write('data/n', String(Number(await tx.read('data/n')) + 1)),
      ),
    ),
  );
  t.equal(await guest.read('data/n'), '19', 'every increment counts once');
});

t.test('quotas bind guests, not domain 0', async t => {
  const { as, xenstored } = await start(t, [0, 3], {
    nodes: 10,
    watches: 3,
    transactions: 2,
    nodeSize: 100,
  });
  const [dom0, guest] = [await as(0), await as(3)];
  await fails(
    t,
    (async () => {
      for (let index = 0; index < 20; index++) await guest.write(`data/${index}`, '');
    })(),
    'ENOSPC',
  );
  t.equal(xenstored.counts().get(3)?.nodes, 10);
  await guest.remove('data');
  await fails(t, guest.write('data/big', 'x'.repeat(200)), 'EACCES', 'data is gone');
  for (let index = 0; index < 3; index++) await guest.watch(`data/${index}`, () => {});
  const { problem } = await guest.watch('data/x', () => {});
  t.match(problem, /E2BIG/);
  const [second, third] = [await as(3), await as(3)];
  await fails(
    t,
    guest.transaction(() => second.transaction(() => third.transaction(async () => {}))),
    'ENOSPC',
  );
  t.equal(xenstored.counts().get(3)?.transactions, 0, 'those that failed are over');
  for (let index = 0; index < 20; index++) await dom0.write(`/tool/${index}`, 'x'.repeat(200));
});

t.test('a directory of many children is read in parts', async t => {
  const { as } = await start(t, [0]);
  const dom0 = await as(0);
  const names = Array.from({ length: 700 }, (_, index) => `child-${index}`);
  for (const name of names) await dom0.write(`/tool/many/${name}`, '');
  t.same([...(await dom0.list('/tool/many'))].sort(), names.sort());
});

t.test('a domid that is given to another domain inherits nothing', async t => {
  const { as, add, xenstored } = await start(t, [0, 3, 4]);
  const peer = await as(4);
  await peer.write('data/for-3', 'secret');
  await peer.setPermissions('data/for-3', [
    { access: 'n', domid: 4 },
    { access: 'b', domid: 3 },
  ]);
  const old = await as(3);
  t.equal(await old.read('/local/domain/4/data/for-3'), 'secret');
  const dom0 = await as(0);
  await dom0.write('/tool/of-3', '');
  await dom0.setPermissions('/tool/of-3', [{ access: 'n', domid: 3 }]);
  xenstored.removeHome(3);
  xenstored.release(3);
  await add(3, 'successor');
  const successor = await as(3);
  t.equal(await successor.read('name'), 'successor');
  await fails(t, successor.read('/local/domain/4/data/for-3'), 'EACCES');
  await fails(t, successor.read('/tool/of-3'), 'EACCES');
  t.same(await successor.list('data'), []);
});

t.test('what breaks the protocol ends that connection only', async t => {
  const { directory, as } = await start(t, [0, 3]);
  const guest = await as(3);
  const raw = connect(join(directory, '3'));
  raw.on('error', () => {});
  const header = Buffer.alloc(16);
  header.writeUInt32LE(MessageType.read, 0);
  header.writeUInt32LE(5000, 12);
  raw.write(header);
  await once(raw, 'close');
  t.equal(await guest.read('name'), 'd3');
});

t.test('unknown and forbidden requests, and bad paths, are answered', async t => {
  const { directory } = await start(t, [0, 3]);
  const raw = connect(join(directory, '3'));
  t.teardown(() => raw.destroy());
  const decoder = new MessageDecoder();
  const ask = async (type: number, payload: Buffer): Promise<string> => {
    raw.write(encodeMessage({ type, requestId: 7, transaction: 0, payload }));
    for (;;) {
      const [chunk] = (await once(raw, 'data')) as [Buffer];
      const [message] = decoder.push(chunk);
      if (message !== undefined) {
        t.equal(message.requestId, 7);
        return message.payload.toString();
      }
    }
  };
  t.equal(await ask(99, Buffer.alloc(0)), 'ENOSYS\0');
  t.equal(await ask(MessageType.introduce, joinFields(['5', '1', '2'])), 'EACCES\0');
  for (const path of ['data/', '/local//domain', '', 'data/ü', `data/${'x'.repeat(2100)}`]) {
    t.equal(await ask(MessageType.read, joinFields([path])), 'EINVAL\0', path.slice(0, 20));
  }
  t.equal(await ask(MessageType.read, Buffer.from('no-nul')), 'EINVAL\0');
  t.equal(await ask(MessageType.transactionEnd, joinFields(['maybe'])), 'EINVAL\0');
  t.equal(await ask(MessageType.getDomainPath, joinFields(['4'])), '/local/domain/4\0');
  t.equal(await ask(MessageType.isDomainIntroduced, joinFields(['3'])), 'T\0');
  t.equal(await ask(MessageType.isDomainIntroduced, joinFields(['9'])), 'F\0');
});

t.test('a new watch is answered first, then it fires', async t => {
  const { directory } = await start(t, [3]);
  const raw = connect(join(directory, '3'));
  t.teardown(() => raw.destroy());
  const decoder = new MessageDecoder();
  const payload = joinFields(['data/x', 'token']);
  raw.write(encodeMessage({ type: MessageType.watch, requestId: 7, transaction: 0, payload }));
  const types: number[] = [];
  while (types.length < 2) {
    const [chunk] = (await once(raw, 'data')) as [Buffer];
    types.push(...decoder.push(chunk).map(({ type }) => type));
  }
  t.same(types, [MessageType.watch, MessageType.watchEvent]);
});

t.test('a client that never reads is dropped, not fed for ever', async t => {
  const { directory, as } = await start(t, [0, 3], { pendingEvents: 50 });
  const deaf = connect(join(directory, '3'));
  deaf.on('error', () => {});
  deaf.pause();
  deaf.write(
    encodeMessage({
      type: MessageType.watch,
      requestId: 1,
      transaction: 0,
      payload: joinFields(['data', 'x'.repeat(1000)]),
    }),
  );
  const closed = once(deaf, 'close');
  const guest = await as(3);
  for (let index = 0; index < 2000 && !deaf.destroyed; index++) {
    await guest.write(`data/${index % 200}`, String(index));
  }
  deaf.resume();
  await closed;
  t.equal(await guest.read('name'), 'd3');
});
