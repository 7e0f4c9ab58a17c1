/** Debian's xenstore-utils against the loopback xenstored: stock tools see what a domain sees. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { installed } from '../support/installed.js';
import { output } from '../support/programs.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test(
  'xenstore-write, -read, -ls, -list, -chmod, -rm, -exists and -watch',
  {
    skip: installed('xenstore-ls', 'xenstore-watch'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    const tool =
      (domid: number) =>
      (name: string, ...args: string[]) =>
        output(`xenstore-${name}`, args, { env: { XENSTORED_PATH: testbed.xenstored(domid) } });
    const [dom0, guest] = [tool(0), tool(3)];

    const watch = spawn('xenstore-watch', ['-n', '2', '/local/domain/3/data/w'], {
      env: { ...process.env, XENSTORED_PATH: testbed.xenstored(0) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(watch, 'exit');
    const [first] = (await once(watch.stdout, 'data')) as [Buffer];
    t.match(String(first), '/local/domain/3/data/w');
    await guest('write', 'data/w', 'one', 'data/x/y', 'two words');
    await ended;
    t.equal(await dom0('read', '/local/domain/3/data/w'), 'one\n');
    t.equal(await guest('read', 'data/x/y'), 'two words\n');
    t.same((await guest('list', 'data')).trim().split('\n').sort(), ['w', 'x']);
    await guest('chmod', 'data/w', 'n3', 'r5');
    t.match(await dom0('ls', '-f', '-p', '/local/domain/3'), /data\/w = "one" +\(n3,r5\)/);
    await guest('exists', 'data/w');
    await guest('rm', 'data/w');
    await t.rejects(guest('exists', 'data/w'));
    await t.rejects(guest('read', '/local/domain/0/name'), { message: /couldn't read path/ });
  },
);

t.test(
  "xenstore-ls shows a link's nodes, each for its peer alone",
  {
    skip: installed('xenstore-ls'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    const target = `"unix:${testbed.path('none')}"`;
    await testbed.daemon(0, `exports: [{name: svc, target: ${target}, allow: [3]}]\n`);
    const high = await testbed.daemon(3);
    await socketOf(high, 0, 'svc');
    const listing = await output('xenstore-ls', ['-f', '-p', '/local/domain'], {
      env: { XENSTORED_PATH: testbed.xenstored(0) },
    });
    for (const row of [
      /\/0\/data\/xsock\/3\/instance = "[0-9a-f]{32}" +\(n0,r3\)/,
      /\/3\/data\/xsock\/0\/instance = "[0-9a-f]{32}" +\(n3,r0\)/,
      /\/3\/data\/xsock\/0\/ring-ref = "\d+" +\(n3,r0\)/,
      /\/3\/data\/xsock\/0\/event-channel = "\d+" +\(n3,r0\)/,
    ]) {
      t.match(listing, row);
    }
  },
);
