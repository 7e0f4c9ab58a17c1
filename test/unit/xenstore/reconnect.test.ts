/** The xenstore client across lost connections: watches outlive them, and nothing waits for a hung xenstored. */
import t, { type Test } from 'tap';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { MessageType, splitFields } from '../../../daemon/xenstore/wire.js';
import { eventually } from '../../support/eventually.js';
import { fakeXenstored, fast, refuse, reply, watchEvent } from '../../support/fake-xenstored.js';

/** Takes watches as `verdict` says of the nth request for one: an errno, or `silent`; and fires those it takes. */
async function watched(t: Test, verdict: (nth: number) => string | undefined) {
  let count = 0;
  const requests: string[] = [];
  const server = await fakeXenstored(t, (message, socket) => {
    if (message.type !== MessageType.watch) return;
    const [path = '', token = ''] = splitFields(message.payload) ?? [];
    requests.push(path);
    const said = verdict(++count);
    if (said === 'silent') return;
    if (said !== undefined) {
      refuse(socket, message, said);
      return;
    }
    reply(socket, message);
    watchEvent(socket, path, token);
  });
  return { ...server, requests };
}

async function events(count: () => number, wanted: number): Promise<void> {
  await eventually(async () => {
    if (count() < wanted) throw new Error(`${count()} events`);
  });
}

t.test('a lost connection: requests fail, watches are set again, listeners are called', async t => {
  const { path, sockets, requests } = await watched(t, () => undefined);
  const client = await connectXenstore(unixTransport(path), fast);
  t.teardown(() => client.close());
  const states: boolean[] = [];
  client.onConnection(connected => states.push(connected));
  let fired = 0;
  const watch = await client.watch('data/x', () => {
    fired += 1;
  });
  t.equal(watch.problem, undefined);
  const unanswered = client.read('n');
  sockets[0]?.destroy();
  await t.rejects(unanswered, { code: 'XENSTORE_GONE' });
  await events(() => fired, 2);
  t.same(requests, ['data/x', 'data/x']);
  await events(() => states.length, 2);
  t.same(states, [false, true]);
  t.equal(watch.problem, undefined);
});

t.test('a watch that was lost with the connection, unanswered, is set by the next', async t => {
  const { path, sockets, requests } = await watched(t, nth => (nth === 1 ? 'silent' : undefined));
  const client = await connectXenstore(unixTransport(path), fast);
  t.teardown(() => client.close());
  let fired = 0;
  const watching = client.watch('data/x', () => {
    fired += 1;
  });
  await eventually(async () => {
    if (requests.length === 0) throw new Error('not asked yet');
  });
  sockets[0]?.destroy();
  const watch = await watching;
  await events(() => fired, 1);
  t.equal(watch.problem, undefined);
});

t.test('a watch requested without a connection is set by the next one', async t => {
  const { path, sockets } = await watched(t, () => undefined);
  let connect = (): void => {};
  const gate = new Promise<void>(resolve => {
    connect = resolve;
  });
  const transport = unixTransport(path);
  let connections = 0;
  const client = await connectXenstore(
    {
      ...transport,
      connect: async () => {
        if (++connections > 1) await gate;
        return await transport.connect();
      },
    },
    fast,
  );
  t.teardown(() => client.close());
  const lost = new Promise(resolve => client.onConnection(resolve));
  sockets[0]?.destroy();
  await lost;
  let fired = 0;
  const watch = await client.watch('data/x', () => {
    fired += 1;
  });
  const closed = await client.watch('data/y', () => t.fail('it was closed'));
  t.match(watch.problem, /no connection/);
  await closed.close();
  connect();
  await events(() => fired, 1);
  t.equal(watch.problem, undefined);
});

t.test(
  'a watch refused after a reconnect: the reason is reported, it is retried, the connection is kept',
  async t => {
    const { path, sockets, requests } = await watched(t, nth =>
      nth > 1 && nth < 5 ? 'E2BIG' : undefined,
    );
    const waits: number[] = [];
    const client = await connectXenstore(unixTransport(path), {
      ...fast,
      refusedDelay: refusals => {
        waits.push(refusals);
        return 1;
      },
    });
    t.teardown(() => client.close());
    const told: (string | undefined)[] = [];
    const states: boolean[] = [];
    client.onWatchProblem((_path, problem) => told.push(problem));
    client.onConnection(connected => states.push(connected));
    let fired = 0;
    await client.watch('data/x', () => {
      fired += 1;
    });
    sockets[0]?.destroy();
    await events(() => fired, 2);
    await events(() => told.length, 2);
    t.match(told[0], /refuses the watch on data\/x: E2BIG/);
    t.equal(told[1], undefined, 'and that it is set after all');
    t.equal(requests.length, 5);
    t.same(waits, [1, 2, 3], 'each refusal in a row is counted');
    t.same(states, [false, true]);
    t.equal(sockets.length, 2, 'the connection was not given up for it');
  },
);

t.test('xenstored hangs: requests time out, the next connection works', async t => {
  let hung = true;
  const { path, sockets } = await fakeXenstored(t, (message, socket) => {
    if (!hung) reply(socket, message);
  });
  const client = await connectXenstore(unixTransport(path), { ...fast, answerTimeout: 100 });
  t.teardown(() => client.close());
  // A further one waits behind 16 that are under way.
  const requests = Array.from({ length: 17 }, () => client.read('n'));
  for (const request of requests) {
    await t.rejects(request, { code: 'XENSTORE_GONE', message: /not answered/ });
  }
  hung = false;
  t.equal(await eventually(() => client.read('n')), 'OK\0');
  t.ok(sockets.length >= 2);
});
