/** `parseArgs` of Node with errors of our own: one line, with a suggestion and where to find help. Pure. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { nearest } from '../config/nearest.js';
import { XsockError } from '../errors.js';
import { escapeForDisplay } from '../text/escape.js';

/** As parseArgs(), always strict. Throws `USAGE`; `help` as in `'xsockd --help' lists them`. */
export function parseOptions<Config extends ParseArgsConfig>(
  config: Config,
  help: string,
): ReturnType<typeof parseArgs<Config>> {
  const fault = faultOf(config);
  if (fault !== undefined) throw new XsockError('USAGE', `${fault} (${help})`);
  return parseArgs(config);
}

function faultOf(config: ParseArgsConfig): string | undefined {
  const { options = {}, allowPositionals = false, args } = config;
  // Not strict: the tokens are checked here.
  const { tokens } = parseArgs({
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
    ...(args === undefined ? {} : { args }),
  });
  for (const token of tokens) {
    if (token.kind === 'positional' && !allowPositionals) {
      return `'${escapeForDisplay(token.value)}' is no option, and operands are not taken`;
    }
    if (token.kind !== 'option') continue;
    const shown = escapeForDisplay(token.rawName);
    const type = Object.hasOwn(options, token.name) ? options[token.name]?.type : undefined;
    if (type === undefined) {
      const meant = nearest(token.name, Object.keys(options));
      return `unknown option '${shown}'${meant === undefined ? '' : `: did you mean '--${meant}'?`}`;
    }
    if (type === 'boolean' && token.value !== undefined) return `'${shown}' takes no value`;
    if (type === 'string' && token.value === undefined) return `'${shown}' needs a value`;
    if (type === 'string' && !token.inlineValue && /^-./.test(token.value ?? '')) {
      const value = escapeForDisplay(token.value ?? '');
      return `'${shown}' needs a value: '${value}' looks like an option (write ${shown}=${value} if it is the value)`;
    }
  }
  return undefined;
}
