/** PV guests with C xenstored: it differs in quotas, in errors, and in what a dead domain's nodes say. */
import t from 'tap';
import { bootFor } from './boot.js';
import { runSuite } from './suite.js';

await bootFor(t, { xenstored: 'xenstored', guestType: 'pv' }, (t, lab) =>
  runSuite(t, lab, [
    'bytes between all domains',
    'several pumps',
    'without root',
    'a daemon is killed',
    'our nodes are removed',
    'a guest is rebooted',
    'a guest is saved and restored',
    'a guest is destroyed under load',
  ]),
);
