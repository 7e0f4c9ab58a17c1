/** The longest case, in a boot of its own: beside the others it takes no time. */
import t from 'tap';
import { bootFor } from './boot.js';
import { runSuite } from './suite.js';

await bootFor(t, { xenstored: 'oxenstored', guestType: 'pv' }, (t, lab) =>
  runSuite(t, lab, ['a guest is destroyed under load, up to 20 times']),
);
