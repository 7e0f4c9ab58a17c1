/** xend, started after us, removes domain 0's home; an operator removes a guest's nodes. With the stock tools. */
import t from 'tap';
import { eventually } from '../support/eventually.js';
import { installed } from '../support/installed.js';
import { output } from '../support/programs.js';
import { echo, echoes, serve } from '../support/streams.js';
import { Testbed, type TestDaemon } from '../support/testbed.js';

t.test(
  'nodes removed by xenstore-rm come back, and the links',
  {
    skip: installed('xenstore-rm', 'xenstore-write'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    await serve(t, testbed.path('echo'), echo);
    const yaml = `exports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [any]}]\n`;
    const [low, high] = await Promise.all([testbed.daemon(0, yaml), testbed.daemon(3, yaml)]);
    const env = { XENSTORED_PATH: testbed.xenstored(0) };
    const answers = (from: TestDaemon, to: TestDaemon) =>
      eventually(async () => {
        if (!(await echoes(`${from.run}/${to.domid}/echo`, 20_000))) throw new Error('no echo');
      });
    await answers(low, high);
    await answers(high, low);

    for (const removed of [
      '/local/domain/0',
      '/local/domain/0/data',
      '/local/domain/3/data/xsock',
    ]) {
      const [owner, peer] = removed.startsWith('/local/domain/0') ? [low, high] : [high, low];
      const instance = `/local/domain/${owner.domid}/data/xsock/${peer.domid}/instance`;
      await output('xenstore-rm', [removed], { env });
      if (removed === '/local/domain/0') {
        await output('xenstore-write', [`${removed}/domid`, '0', `${removed}/name`, 'Domain-0'], {
          env,
        });
      }
      await eventually(() => output('xenstore-read', [instance], { env }));
      await answers(low, high);
      await answers(high, low);
      t.pass(`${removed} was removed`);
    }
    t.match(low.log(), /our nodes were removed from xenstore by somebody else/);
    t.match(high.log(), /our nodes were removed from xenstore by somebody else/);
    t.notMatch(high.log(), /the domain was restored/);
  },
);
