/** The core cases on PVH guests. */
import t from 'tap';
import { bootFor } from './boot.js';
import { runSuite } from './suite.js';

await bootFor(t, { xenstored: 'oxenstored', guestType: 'pvh' }, (t, lab) =>
  runSuite(t, lab, [
    'bytes between all domains',
    'several pumps',
    'a daemon is killed',
    'a guest is destroyed under load',
  ]),
);
