/** All verbs of `xsock`, in the order of the overview. */
import { catVerb } from './cat.js';
import { checkVerb } from './check.js';
import { lsVerb } from './ls.js';
import { reloadVerb } from './reload.js';
import { resetVerb } from './reset.js';
import { statusVerb } from './status.js';
import { streamsVerb } from './streams.js';
import type { Verb } from './verb.js';
import { versionVerb } from './version.js';

export const VERBS: readonly Verb[] = [
  statusVerb,
  lsVerb,
  streamsVerb,
  catVerb,
  resetVerb,
  reloadVerb,
  checkVerb,
  versionVerb,
];

/** Verbs with a command line of their own. */
export const LOOPBACK = 'loopback';
export const HELP = 'help';

export function findVerb(name: string): Verb | undefined {
  return VERBS.find(verb => verb.name === name);
}

export function verbNames(): readonly string[] {
  return [...VERBS.map(verb => verb.name), LOOPBACK, HELP];
}
