/** `xsock version`. */
import { readVersion } from '../version.js';
import { print, printJson } from './output.js';
import type { Verb } from './verb.js';

export const versionVerb: Verb = {
  name: 'version',
  operands: '',
  summary: 'the version of xsock',
  details: "The version of the command line; the running daemon's is in 'xsock status'.",
  arity: [0, 0],
  json: true,
  async execute({ json }) {
    const version = readVersion();
    if (json) printJson({ version });
    else print(`xsock ${version}`);
    return 0;
  },
};
