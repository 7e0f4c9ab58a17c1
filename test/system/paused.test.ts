/** A daemon that did not run for longer than the heartbeat timeout, as in a paused domain. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { dial, echo, echoes, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test("the domain's own exports live on", async t => {
  const testbed = await Testbed.start(t);
  const target = testbed.path('target');
  await serve(t, target, echo);
  const daemon = await testbed.daemon(
    0,
    `link: {heartbeat-interval: 50ms, heartbeat-timeout: 200ms}
exports: [{name: svc, target: "unix:${target}", self: true}]
`,
  );
  const path = await socketOf(daemon, 0, 'svc');
  const before = await dial(path);
  const { child } = daemon.process;
  child.kill('SIGSTOP');
  // Not a wait for anything: this is what is tried.
  await delay(1000);
  child.kill('SIGCONT');
  const answer = once(before, 'data');
  before.write('still here');
  t.equal(String((await answer)[0]), 'still here', 'the stream from before goes on');
  before.destroy();
  t.ok(await echoes(path, 100_000), 'and new ones can be opened');
  t.match((await daemon.control.status()).peers, [{ self: true, state: 'up' }]);
  t.notMatch(daemon.log(), /"level":50|link of this domain with itself/);
});
