#!/usr/bin/env node
/** The command `xsock`. The rest is loaded once this Node is known to be able to run it. */
import { preflight } from '../preflight.js';

const EXIT_FAILURE = 1;

if (preflight('xsock', EXIT_FAILURE)) void import('./program.js');
