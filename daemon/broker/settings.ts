/** A configuration resolved for this domain. Changes nothing: a reload may still fail. */
import type { Config } from '../config/config.js';
import { problemsInDomain } from '../config/in-domain.js';
import { ConfigProblems } from '../config/problems.js';
import type { DomId } from '../ids.js';
import { ExportTables } from '../policy/compile.js';
import { resolveAccounts } from '../service/accounts.js';
import type { Settings } from './context.js';

/**
 * Throws `CONFIG_INVALID` with all problems, `FILE_ACCESS`, or the reason of `signal` once that is
 * aborted. `self` is undefined where only the configuration is to be checked, wherever it will be used.
 */
export async function prepareSettings(
  config: Config,
  self: DomId | undefined,
  signal: AbortSignal,
): Promise<Settings> {
  const problems = self === undefined ? [] : problemsInDomain(config, self);
  const accounts = await resolveAccounts(config.imports, { signal }).catch((error: unknown) => {
    if (!(error instanceof ConfigProblems)) throw error;
    throw new ConfigProblems([...problems, ...error.problems]);
  });
  if (problems.length > 0) throw new ConfigProblems(problems);
  return { config, accounts, exportTables: new ExportTables(config.exports, self) };
}
