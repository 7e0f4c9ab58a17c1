/** `xsock reload`: makes the daemon read its configuration again. */
import { ControlClient } from '../control/client.js';
import { print, printable, printJson } from './output.js';
import type { Verb } from './verb.js';

export const reloadVerb: Verb = {
  name: 'reload',
  operands: '',
  summary: 'make the daemon read its configuration again',
  details:
    'Open streams stay open. A configuration with problems changes nothing: they are listed,\n' +
    'and the exit code is 1.',
  arity: [0, 0],
  json: true,
  async execute({ run, json }) {
    const { changes, warnings } = await new ControlClient(run).reload();
    if (json) {
      printJson({ changes, warnings });
      return 0;
    }
    for (const warning of warnings) process.stderr.write(`xsock: ${printable(warning)}\n`);
    if (changes.length === 0) print('nothing changed');
    for (const change of changes) print(printable(change));
    return 0;
  },
};
