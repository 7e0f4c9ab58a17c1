/** A limit of the system, or somebody else, is in the way: the daemon says what suffers, and recovers by itself. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { findProgram, installed } from '../support/installed.js';
import { dial, echo, echoes, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test('out of descriptors for accept', { skip: installed('prlimit') }, async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  await testbed.daemon(
    3,
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`,
  );
  const low = await testbed.daemon(0);
  const path = await socketOf(low, 3, 'echo');
  const limit = (files: number): void => {
    const args = ['--pid', String(low.process.child.pid), `--nofile=${files}:1024`];
    execFileSync(findProgram('prlimit') ?? '', args);
  };
  limit(3);
  const answers = Promise.all(Array.from({ length: 5 }, () => echoes(path, 1000)));
  const line = await eventually(async () => {
    const found = low
      .log()
      .split('\n')
      .find(text => text.includes('accept failed'));
    if (found === undefined) throw new Error('not told');
    return JSON.parse(found) as Record<string, unknown>;
  });
  t.match(line, {
    level: 40,
    domid: 3,
    service: 'echo',
    address: path,
    detail: 'Too many open files',
    remedy: /raise LimitNOFILE/,
    msg: 'accept failed on a service socket; retrying in 100 ms',
  });
  // One that asks the control socket meets the same limit.
  const told = () => low.log().split('accept failed on a service').length;
  const before = told();
  await dial(join(low.run, 'control'));
  await eventually(async () => {
    if (told() < before + 3) throw new Error('it has not looked yet');
  });
  limit(1024);
  t.same(await answers, [true, true, true, true, true], 'those that waited are served');
  await eventually(async () => {
    t.match(await low.control.status(), { pid: low.process.child.pid }, 'and so is who asks');
  });
});

t.test('a TCP port that is in use, until it is free', async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  await serve(t, testbed.path('echo'), echo);
  await testbed.daemon(
    3,
    `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`,
  );
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  const low = await testbed.daemon(
    0,
    `imports: [{peer: 3, service: echo, tcp: "127.0.0.1:${port}"}]\n`,
  );
  await socketOf(low, 3, 'echo');
  const problems = async (): Promise<number | undefined> =>
    (await low.control.status()).peers.find(({ domid }) => domid === 3)?.problems;
  await eventually(async () => {
    if ((await problems()) !== 1) throw new Error('status does not tell');
  });
  t.match(await low.control.services(), [{ name: 'echo', problem: /EADDRINUSE|in use/ }]);
  squatter.close();
  await eventually(async () => {
    if ((await problems()) !== 0) throw new Error('not yet');
  });
  const socket = connect({ port, host: '127.0.0.1' });
  const answer = once(socket, 'data');
  socket.end('over TCP');
  t.equal(String((await answer)[0]), 'over TCP');
});
