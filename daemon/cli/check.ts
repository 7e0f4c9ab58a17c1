/** `xsock check`: what is wrong with a configuration: of the daemon that runs, or in a file. */
import type { Config } from '../config/config.js';
import { DEFAULT_CONFIG_PATH } from '../config/load.js';
import { ConfigProblems, formatProblem, formatWarning } from '../config/problems.js';
import { ControlClient } from '../control/client.js';
import { isXsockError } from '../errors.js';
import { toDomId } from '../ids.js';
import { checkConfiguration } from '../process/configuration.js';
import { print, printable, printJson } from './output.js';
import type { Verb } from './verb.js';

/** What is to be checked, and for whom. */
interface Subject {
  readonly path: string;
  /** Of the daemon whose configuration it is, if one was asked. */
  readonly run: string | undefined;
  readonly domid: number | undefined;
}

/** The daemon's own file; the default one, and a word about it, if there is no daemon. */
async function subjectOf(run: string): Promise<Subject> {
  try {
    const status = await new ControlClient(run).status();
    return { path: status.config, run: status.run, domid: status.domid };
  } catch (error) {
    if (!isXsockError(error, 'DAEMON_UNREACHABLE') && !isXsockError(error, 'CONTROL_REFUSED')) {
      throw error;
    }
    const why = `no daemon in ${run} says which configuration it has`;
    process.stderr.write(`xsock: ${printable(`${why}: checking ${DEFAULT_CONFIG_PATH}`)}\n`);
    return { path: DEFAULT_CONFIG_PATH, run: undefined, domid: undefined };
  }
}

function check({ path, run, domid }: Subject): Promise<Config> {
  const self = domid === undefined ? undefined : toDomId(domid);
  return checkConfiguration(path, { run, logLevel: undefined }, self);
}

export const checkVerb: Verb = {
  name: 'check',
  operands: '[config]',
  summary: 'list all problems of a configuration',
  details:
    'Checks the configuration of the daemon that runs (--run), or of the file that is named, with the\n' +
    `conf.d/*.yaml beside it; ${DEFAULT_CONFIG_PATH} if there is neither. Users and groups are looked\n` +
    'up on this system. Problems and warnings are printed one a line, as file:line:column. Exit code 1\n' +
    'if there are problems.',
  arity: [0, 1],
  json: true,
  async execute({ operands: [operand], run, json }) {
    const subject =
      operand === undefined
        ? await subjectOf(run)
        : { path: operand, run: undefined, domid: undefined };
    const { path } = subject;
    try {
      const { warnings } = await check(subject);
      if (json) {
        printJson({ ok: true, config: path, problems: [], warnings });
      } else {
        for (const warning of warnings) print(printable(formatWarning(warning)));
        print(`${printable(path)}: no problems`);
      }
      return 0;
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
      if (json) printJson({ ok: false, config: path, problems: error.problems, warnings: [] });
      else for (const problem of error.problems) print(printable(formatProblem(problem)));
      return 1;
    }
  },
};
