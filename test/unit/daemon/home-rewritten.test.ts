/** A toolstack that starts late, or an operator, removes our nodes: they are published again, links come back. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { exported, setUpHost } from '../../support/daemon-host.js';
import { eventually } from '../../support/eventually.js';

for (const rewritten of [0, 3]) {
  t.test(`the home of domain ${rewritten} is rewritten, twice`, async t => {
    const { boot, rewriteHome, host } = await setUpHost(t, [0, 3]);
    const dom0 = await boot(0, { exports: [exported('a', [3])] });
    const guest = await boot(3, { exports: [exported('b', [0])] });
    await guest.appears('0/a');
    await dom0.appears('3/b');
    const daemon = rewritten === 0 ? dom0 : guest;
    const mark = `/local/domain/${rewritten}/data/xsock/daemon`;
    for (let time = 1; time <= 2; time++) {
      const links = host.linksOf(guest.dataplane);
      rewriteHome(rewritten);
      await eventually(async () => {
        const now = host.linksOf(guest.dataplane);
        if (now.every(link => links.includes(link))) throw new Error('no new link');
      });
      await guest.until(0, 'up');
      await dom0.until(3, 'up');
      await guest.appears('0/a');
      await dom0.appears('3/b');
      t.equal(await dom0.xenstore.read(mark), (await daemon.daemon.status()).instance);
    }
    await daemon.logs('our nodes were removed from xenstore by somebody else');
    t.notOk(daemon.lines.includes('restored'), 'that was no restore');
  });
}

t.test('xenstored comes back empty, and a toolstack rewrites the home then', async t => {
  const { boot, replaceXenstored, rewriteHome } = await setUpHost(t, [0, 3]);
  const dom0 = await boot(0, { exports: [exported('a', [3])] });
  const guest = await boot(3, { exports: [exported('b', [0])] });
  await dom0.appears('3/b');
  await guest.die();
  await dom0.until(3, 'down');
  await replaceXenstored([0, 3]);
  await dom0.logs('xenstored has come back without its contents');
  rewriteHome(0);
  const again = await boot(3, { exports: [exported('b', [0])] });
  await again.appears('0/a');
  await dom0.appears('3/b');
  t.ok(existsSync(join(dom0.run, '3/b')));
});
