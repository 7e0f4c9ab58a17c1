/** The link of a domain with itself: what happens when it ends. */
import t from 'tap';
import type { DaemonStatus } from '../../../daemon/control/model.js';
import { exported, setUpHost } from '../../support/daemon-host.js';
import { eventually } from '../../support/eventually.js';

const ownOf = ({ peers }: Pick<DaemonStatus, 'peers'>) => peers.find(({ self }) => self);

t.test('it is re-created, and status gives the reason meanwhile', async t => {
  const { host, boot } = await setUpHost(t, [3]);
  const { daemon, dataplane, appears } = await boot(3, { exports: [exported('x', [], true)] });
  await appears('3/x');
  const [first] = host.linksOf(dataplane);
  if (first === undefined) throw new Error('there is no link');
  let attempts = 0;
  dataplane.before = call => {
    if (call !== 'connectSelf') return undefined;
    attempts += 1;
    return attempts < 3 ? Promise.reject(new Error('out of memory')) : undefined;
  };
  dataplane.end(first, 'corrupt');
  await appears('3/x', false);
  t.match(ownOf(await daemon.status()), { state: 'down', reason: 'corrupt' });
  await eventually(async () => {
    const reason = ownOf(await daemon.status())?.reason;
    if (reason !== 'out of memory') throw new Error(`the reason is '${reason}'`);
  });
  await appears('3/x');
  t.equal(attempts, 3);
  t.match(ownOf(await daemon.status()), { state: 'up', reason: '' });
  t.not(host.linksOf(dataplane)[0], first);
});

t.test('a daemon that stops does not re-create it', async t => {
  const { host, boot } = await setUpHost(t, [3]);
  const { daemon, dataplane, appears } = await boot(3, { exports: [exported('x', [], true)] });
  await appears('3/x');
  await daemon.stop(0);
  t.same(host.linksOf(dataplane), []);
});
