/** A configuration made ready for this domain. Changes nothing: a reload may still be refused. */
import type { Config } from '../config/config.js';
import { problemsInDomain } from '../config/in-domain.js';
import { ConfigProblems } from '../config/problems.js';
import type { DomId } from '../ids.js';
import { resolveAccounts } from '../service/accounts.js';
import type { Settings } from './context.js';

/** Throws `CONFIG_INVALID`, `FILE_ACCESS`, or the reason of `signal` once that is aborted. */
export async function prepareSettings(
  config: Config,
  self: DomId,
  signal: AbortSignal,
): Promise<Settings> {
  const problems = problemsInDomain(config, self);
  if (problems.length > 0) throw new ConfigProblems(problems);
  const accounts = await resolveAccounts(config.imports, { signal });
  return { config, accounts };
}
