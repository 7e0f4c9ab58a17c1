/** xenstored dies while streams run. In a boot of its own: guests do not come back from it. */
import t from 'tap';
import { bootFor } from './boot.js';
import { runXenstoredDeath } from './suite.js';

await bootFor(t, { xenstored: 'oxenstored', guestType: 'pv' }, runXenstoredDeath);
