/** Before the tests, which boot side by side: builds what they boot. */
import { prepareTests } from './lab.js';

prepareTests();
