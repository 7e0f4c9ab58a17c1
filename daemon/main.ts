#!/usr/bin/env node
/** The program `xsockd`. The rest is loaded once this Node is known to be able to run it. */
import { preflight } from './preflight.js';

/** EX_CONFIG, as in process/exit-code.ts: a restart would not help. */
const EXIT_CONFIG = 78;

if (preflight('xsockd', EXIT_CONFIG)) void import('./process/program.js');
