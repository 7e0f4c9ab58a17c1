/** The daemon runs out of descriptors: it says which service suffers and what to do, and recovers by itself. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { findProgram, installed } from '../support/installed.js';
import { echo, echoes, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test('no descriptor is left to accept with', { skip: installed('prlimit') }, async t => {
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
  limit(1024);
  t.same(await answers, [true, true, true, true, true], 'those that waited are served');
});
