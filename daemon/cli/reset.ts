/** `xsock reset`: resets a stream. */
import { ControlClient } from '../control/client.js';
import { XsockError } from '../errors.js';
import { escapeForDisplay } from '../text/escape.js';
import { resolveDomain } from './domain.js';
import { print, printJson } from './output.js';
import type { Verb } from './verb.js';

export const resetVerb: Verb = {
  name: 'reset',
  operands: '<domain> <stream>',
  summary: 'reset a stream',
  details:
    "The stream's number is in 'xsock streams'. A program at a TCP socket sees its connection reset; one at\n" +
    'a UNIX socket sees ECONNRESET if bytes that it wrote were not read yet, else an end-of-file.',
  arity: [2, 2],
  json: true,
  async execute({ operands: [domain = '', stream = ''], run, json }) {
    if (!/^\d{1,10}$/.test(stream)) {
      throw new XsockError('USAGE', `'${escapeForDisplay(stream)}' is not the number of a stream`);
    }
    const client = new ControlClient(run);
    const domid = await resolveDomain(domain, client);
    await client.resetStream(domid, Number(stream));
    if (json) printJson({ domid, stream: Number(stream), reset: true });
    else print(`stream ${stream} with domain ${domid} was reset`);
    return 0;
  },
};
