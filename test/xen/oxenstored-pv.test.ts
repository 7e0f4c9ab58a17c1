/** Everything, on PV guests with oxenstored, Debian's default. */
import t from 'tap';
import { bootFor } from './boot.js';
import { runContract, runSuite } from './suite.js';

await bootFor(t, { xenstored: 'oxenstored', guestType: 'pv' }, async (t, lab) => {
  await runContract(t, lab);
  await runSuite(t, lab, [
    'bytes between all domains',
    'raw vchan with stock programs',
    'without root',
    'a daemon is killed',
    'a guest is paused',
    'our nodes are removed',
    'a guest is rebooted',
    'a guest is saved and restored',
  ]);
});
