/** Parses the command line of `xsock`. Pure: decides what is to be done, does nothing. */
import { DEFAULT_RUN } from '../config/defaults.js';
import { XsockError } from '../errors.js';
import { parseOptions } from '../process/parse-options.js';
import { unknownVerb, usageLine } from './help.js';
import type { Invocation, Verb } from './verb.js';
import { findVerb, HELP, LOOPBACK } from './verbs.js';

export type Command =
  | { readonly kind: 'verb'; readonly verb: Verb; readonly invocation: Invocation }
  /** Of one verb, or the overview. */
  | { readonly kind: 'help'; readonly verb: Verb | undefined }
  /** Followed by a command line of its own. */
  | { readonly kind: 'loopback'; readonly argv: string[] };

function parse(argv: readonly string[]) {
  const options = {
    run: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  } as const;
  const config = { args: [...argv], allowPositionals: true, options } as const;
  return parseOptions(config, "'xsock help' lists the options");
}

function verbOf(name: string): Verb {
  const verb = findVerb(name);
  if (verb === undefined) throw unknownVerb(name);
  return verb;
}

function checkUse(verb: Verb, operands: readonly string[], json: boolean): void {
  const [least, most] = verb.arity;
  if (operands.length < least || operands.length > most) {
    throw new XsockError('USAGE', `usage: ${usageLine(verb)}`);
  }
  if (json && !verb.json) {
    throw new XsockError('USAGE', `'xsock ${verb.name}' has no --json`);
  }
}

/** Throws `USAGE`. `runFromEnvironment` is what XSOCK_RUN holds; empty counts as unset. */
export function parseCommandLine(
  argv: readonly string[],
  runFromEnvironment: string | undefined,
): Command {
  if (argv[0] === LOOPBACK) return { kind: 'loopback', argv: argv.slice(1) };
  const { values, positionals } = parse(argv);
  const [name, ...operands] = values.version === true ? ['version'] : positionals;
  if (name === undefined) {
    if (values.help === true) return { kind: 'help', verb: undefined };
    throw new XsockError('USAGE', "no verb given: 'xsock help' lists them");
  }
  if (name === HELP) {
    const [about, ...rest] = operands;
    if (rest.length > 0) throw new XsockError('USAGE', 'usage: xsock help [verb]');
    if (about === LOOPBACK) return { kind: 'loopback', argv: [HELP] };
    return { kind: 'help', verb: about === undefined ? undefined : verbOf(about) };
  }
  const verb = verbOf(name);
  if (values.help === true) return { kind: 'help', verb };
  const json = values.json ?? false;
  checkUse(verb, operands, json);
  const run = values.run ?? (runFromEnvironment || DEFAULT_RUN);
  if (run === '') throw new XsockError('USAGE', '--run needs a directory');
  return { kind: 'verb', verb, invocation: { operands, run, json } };
}
