/** What `xsock help` says, and how a wrong command line is answered. */
import { nearest } from '../config/nearest.js';
import { XsockError } from '../errors.js';
import { escapeForDisplay } from '../text/escape.js';
import type { Verb } from './verb.js';
import { HELP, LOOPBACK, VERBS, verbNames } from './verbs.js';

export function usageLine(verb: Verb): string {
  const json = verb.json ? ' [--json]' : '';
  return `xsock ${verb.name}${verb.operands === '' ? '' : ` ${verb.operands}`}${json}`;
}

export function overview(): string {
  const entries: readonly (readonly [string, string])[] = [
    ...VERBS.map(verb => [`${verb.name} ${verb.operands}`.trimEnd(), verb.summary] as const),
    [LOOPBACK, 'run machines without Xen: see `xsock loopback help`'],
    [`${HELP} [verb]`, 'this text, or that of a verb'],
  ];
  const width = Math.max(...entries.map(([synopsis]) => synopsis.length));
  return [
    'usage: xsock [--run DIR] <verb> [operands]',
    '',
    ...entries.map(([synopsis, summary]) => `  ${synopsis.padEnd(width)}  ${summary}`),
    '',
    '  --run DIR   run directory of the daemon (environment: XSOCK_RUN; default /run/xsock)',
    '  --json      output as JSON, where the verb prints something',
    '',
    'Exit codes: 0 success, 1 failure, 2 usage error.',
  ].join('\n');
}

export function verbHelp(verb: Verb): string {
  return `usage: ${usageLine(verb)}\n\n${verb.details}`;
}

/** `USAGE` for a verb that does not exist, with the one that was probably meant. */
export function unknownVerb(name: string): XsockError {
  const meant = nearest(name, verbNames());
  const hint = meant === undefined ? "'xsock help' lists the verbs" : `did you mean '${meant}'?`;
  return new XsockError('USAGE', `there is no verb '${escapeForDisplay(name)}': ${hint}`);
}
