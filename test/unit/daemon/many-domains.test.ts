/** Domain 0 of a host with many guests: none of them is left out at its start. */
import t from 'tap';
import { setUpHost } from '../../support/daemon-host.js';
import { eventually } from '../../support/eventually.js';

const GUESTS = Array.from({ length: 100 }, (_, index) => index + 1);

t.test('domain 0 starts with 100 guests: every one of them finds what is for it', async t => {
  const { boot } = await setUpHost(t, [0, ...GUESTS]);
  const dom0 = await boot(0);
  const { instance } = await dom0.daemon.status();
  await eventually(async () => {
    const found = await Promise.allSettled(
      GUESTS.map(domid => dom0.xenstore.read(`/local/domain/0/data/xsock/${domid}/instance`)),
    );
    const announced = found.filter(
      result => result.status === 'fulfilled' && result.value === instance,
    );
    if (announced.length < GUESTS.length) throw new Error(`${announced.length} of 100`);
  });
  const guest = await boot(100);
  await guest.until(0, 'up');
  await dom0.until(100, 'up');
});
