/** `xsock check`: what is wrong with a configuration, without a daemon. */
import { DEFAULT_CONFIG_PATH, loadConfig } from '../config/load.js';
import { ConfigProblems, formatProblem, formatWarning } from '../config/problems.js';
import { print, printable, printJson } from './output.js';
import type { Verb } from './verb.js';

export const checkVerb: Verb = {
  name: 'check',
  operands: '[config]',
  summary: 'list all problems of a configuration',
  details:
    `Reads the file (default ${DEFAULT_CONFIG_PATH}) and the conf.d/*.yaml beside it. Problems and\n` +
    'warnings are printed one a line, as file:line:column. Exit code 1 if there are problems.',
  arity: [0, 1],
  json: true,
  async execute({ operands: [path = DEFAULT_CONFIG_PATH], json }) {
    try {
      const { warnings } = await loadConfig(path);
      if (json) {
        printJson({ ok: true, problems: [], warnings });
      } else {
        for (const warning of warnings) print(printable(formatWarning(warning)));
        print(`${printable(path)}: no problems`);
      }
      return 0;
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
      if (json) printJson({ ok: false, problems: error.problems, warnings: [] });
      else for (const problem of error.problems) print(printable(formatProblem(problem)));
      return 1;
    }
  },
};
