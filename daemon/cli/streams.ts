/** `xsock streams`: the open streams. */
import { ControlClient } from '../control/client.js';
import { formatAge, formatBytes, formatTable, print, printJson } from './output.js';
import type { Verb } from './verb.js';

const HEADINGS = [
  'DOMID',
  'DOMAIN',
  'STREAM',
  'DIRECTION',
  'SERVICE',
  'STATE',
  'SENT',
  'RECEIVED',
  'BUFFERED',
  'AGE',
];

export const streamsVerb: Verb = {
  name: 'streams',
  operands: '',
  summary: 'the streams that are open now',
  details:
    'An outgoing stream was opened by a program in this domain. BUFFERED is what the local program\n' +
    "has not read yet. 'xsock reset <domain> <stream>' resets one.",
  arity: [0, 0],
  json: true,
  async execute({ run, json }) {
    const streams = await new ControlClient(run).streams();
    if (json) {
      printJson(streams);
    } else if (streams.length === 0) {
      print('no streams');
    } else {
      print(
        formatTable(
          HEADINGS,
          streams.map(stream => [
            stream.domid,
            stream.domain ?? '',
            stream.stream,
            stream.direction,
            stream.service,
            stream.state,
            formatBytes(stream.bytesSent),
            formatBytes(stream.bytesReceived),
            formatBytes(stream.buffered),
            formatAge(stream.age),
          ]),
        ),
      );
    }
    return 0;
  },
};
