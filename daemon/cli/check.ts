/** `xsock check`: the problems of a configuration: that of the running daemon, or of a file. */
import { resolve } from 'node:path';
import { DEFAULT_CONFIG_PATH } from '../config/load.js';
import {
  ConfigProblems,
  type ConfigWarning,
  formatProblem,
  formatWarning,
} from '../config/problems.js';
import { absentNames, unknowableNames } from '../config/unknown-names.js';
import { ControlClient } from '../control/client.js';
import type { DaemonStatus } from '../control/model.js';
import { isXsockError } from '../errors.js';
import { toDomId } from '../ids.js';
import { checkConfiguration } from '../process/configuration.js';
import { knownNames } from '../process/start-warnings.js';
import { print, printable, printJson } from './output.js';
import type { Verb } from './verb.js';

/** What is to be checked. */
interface Subject {
  readonly path: string;
  /** The daemon whose configuration it is; undefined if none could be asked. */
  readonly daemon: DaemonStatus | undefined;
}

async function statusOf(run: string): Promise<DaemonStatus | undefined> {
  try {
    return await new ControlClient(run).status();
  } catch (error) {
    if (isXsockError(error, 'DAEMON_UNREACHABLE') || isXsockError(error, 'CONTROL_REFUSED')) {
      return undefined;
    }
    throw error;
  }
}

/** The given file; or the daemon's own; or the default one, with a note about it. */
async function subjectOf(operand: string | undefined, run: string): Promise<Subject> {
  const daemon = await statusOf(run);
  if (operand !== undefined) {
    return { path: operand, daemon: daemon?.config === resolve(operand) ? daemon : undefined };
  }
  if (daemon !== undefined) return { path: daemon.config, daemon };
  const why = `no daemon in ${run} says which configuration it has`;
  process.stderr.write(`xsock: ${printable(`${why}: checking ${DEFAULT_CONFIG_PATH}`)}\n`);
  return { path: DEFAULT_CONFIG_PATH, daemon };
}

/** The warnings. Throws `CONFIG_INVALID` and `FILE_ACCESS`. */
async function check({ path, daemon }: Subject): Promise<readonly ConfigWarning[]> {
  const overrides = { run: daemon?.run, logLevel: undefined };
  const self = daemon === undefined ? undefined : toDomId(daemon.domid);
  const config = await checkConfiguration(path, overrides, self);
  if (daemon === undefined) return config.warnings;
  const known = knownNames(daemon);
  return [...config.warnings, ...unknowableNames(config, known), ...absentNames(config, known)];
}

export const checkVerb: Verb = {
  name: 'check',
  operands: '[config]',
  summary: 'list all problems of a configuration',
  details:
    'Checks the configuration of the running daemon (--run), or of the given file, with the\n' +
    `conf.d/*.yaml beside it; ${DEFAULT_CONFIG_PATH} if there is neither. Users and groups are looked\n` +
    'up on this system. Problems and warnings are printed one per line, as file:line:column. Exit code 1\n' +
    'if there are problems.',
  arity: [0, 1],
  json: true,
  async execute({ operands: [operand], run, json }) {
    const subject = await subjectOf(operand, run);
    const { path } = subject;
    try {
      const warnings = await check(subject);
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
