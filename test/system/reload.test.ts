/** A reload that is refused changes nothing, and one that still waits does not outlive its daemon. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { pathWithGetent } from '../support/fake-getent.js';
import { stopDaemon, Testbed, type TestDaemon } from '../support/testbed.js';

async function exportsOf(daemon: TestDaemon): Promise<readonly (string | null)[]> {
  return (await daemon.control.services()).map(({ name }) => name);
}

t.test('SIGTERM meets a reload that waits for getent', async t => {
  const testbed = await Testbed.start(t);
  const asked = testbed.path('asked');
  // Answers once the daemon has given everything back: the lock is the last.
  const path = pathWithGetent(
    testbed.directory,
    `[ "$2" = passwd ] || exit 2
     touch ${asked}; while [ -e ${testbed.path('r0/lock')} ]; do sleep 0.02; done
     echo "web:x:5:5::/:/bin/sh"`,
  );
  const daemon = await testbed.daemon(0, '', { PATH: path });
  testbed.writeConfig(0, 'imports: [{owner: web}]\n');
  const reloading = daemon.control.reload();
  reloading.catch(() => undefined);
  await eventually(async () => {
    if (!existsSync(asked)) throw new Error('not asked yet');
  });
  t.equal(await stopDaemon(daemon), 0);
  await t.rejects(reloading);
  t.same(readdirSync(daemon.run), [], 'nothing is left');
});

t.test('a reload that is refused late has not changed what could be changed early', async t => {
  const testbed = await Testbed.start(t);
  const target = 'target: "unix:/nobody"';
  const daemon = await testbed.daemon(0, `exports: [{name: old, ${target}}]\n`);
  mkdirSync(testbed.path('r0/vchan/3'), { recursive: true });
  writeFileSync(testbed.path('r0/vchan/3/b'), 'precious');
  testbed.writeConfig(
    0,
    `exports: [{name: new, ${target}, vchan: [{peer: 3, path: data/vchan/new}]}]
log: {level: trace}
imports:
  - {peer: 3, service: a, vchan: data/vchan/a}
  - {peer: 3, service: b, vchan: data/vchan/b}
`,
  );
  await t.rejects(daemon.control.reload(), { message: /vchan\/3\/b' exists and is not a socket/ });
  t.same(await exportsOf(daemon), ['old']);
  t.same(
    readdirSync(testbed.path('r0/vchan/3')),
    ['b'],
    'the listener that could be made is not there',
  );
  testbed.writeConfig(0, `exports: [{name: new, ${target}}]\n`);
  t.same(await daemon.control.reload(), {
    changes: ['export new added', 'export old removed'],
    warnings: [],
  });
  t.same(await exportsOf(daemon), ['new']);
});
