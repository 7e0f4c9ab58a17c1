/** `xsock cat` says how its stream ended: in order, or cut, and why. */
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { eventually } from '../support/eventually.js';
import { startProgram, XSOCK } from '../support/run-program.js';
import { echo, serve } from '../support/streams.js';
import { killDaemon, socketOf, Testbed } from '../support/testbed.js';

async function pair(t: Test) {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  const target = testbed.path('target');
  const [low, high] = await Promise.all([
    testbed.daemon(0),
    testbed.daemon(3, `exports: [{name: svc, target: "unix:${target}", allow: [0]}]\n`),
  ]);
  await socketOf(low, 3, 'svc');
  const cat = () => startProgram(t, XSOCK, ['--run', low.run, 'cat', '3', 'svc']);
  return { target, low, high, cat };
}

t.test('the end in order', async t => {
  const { target, cat } = await pair(t);
  await serve(t, target, echo);
  const { child, finished } = cat();
  child.stdin.end('hello');
  t.match(await finished, { code: 0, stdout: 'hello', stderr: '' });
});

t.test('the target is down', async t => {
  const { low, high, cat } = await pair(t);
  const { child, finished } = cat();
  child.stdin.end('hello');
  t.match(await finished, {
    code: 1,
    stdout: '',
    stderr: /^xsock: the stream to '.*\/3\/svc' was cut: target unavailable in domain 3\n$/,
  });
  t.match(low.log(), /"why":"target unavailable in domain 3".*"msg":"outgoing stream refused"/);
  t.match(high.log(), /"msg":"stream refused"/);
});

t.test('an operator resets it, here or there', async t => {
  const { target, low, high, cat } = await pair(t);
  await serve(t, target, echo);
  for (const [operator, reason] of [
    [low, /was cut: reset by an operator/],
    [high, /was cut: reset by domain 3/],
  ] as const) {
    const { child, finished } = cat();
    child.stdin.write('hello');
    await once(child.stdout, 'data');
    const [stream] = await operator.control.streams();
    if (stream === undefined) throw new Error('there is no stream');
    await operator.control.resetStream(stream.domid, stream.stream);
    t.match(await finished, { code: 1, stdout: 'hello', stderr: reason });
    await eventually(async () => {
      if ((await operator.control.streams()).length > 0) throw new Error('it is still there');
    });
  }
});

t.test('the exporting daemon is killed in the middle', async t => {
  const { target, high, cat } = await pair(t);
  await serve(t, target, socket => {
    const more = (): void => {
      while (socket.writable && socket.write(Buffer.alloc(65_536, 'x')));
    };
    socket.on('drain', more);
    more();
  });
  const { child, finished } = cat();
  await once(child.stdout, 'data');
  await killDaemon(high);
  t.match(await finished, { code: 1, stderr: /was cut: the link with domain 3 went down\n$/ });
});

t.test('the own daemon is killed in the middle', async t => {
  const { target, low, cat } = await pair(t);
  await serve(t, target, echo);
  const { child, finished } = cat();
  child.stdin.write('hello');
  await once(child.stdout, 'data');
  await killDaemon(low);
  t.match(await finished, { code: 1, stdout: 'hello', stderr: /it is unknown how it ended/ });
});
