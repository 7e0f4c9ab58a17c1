/** Resolves user and group names of import rules to numbers: each is looked up once, however many rules use it. */
import type { ImportConfig } from '../config/config.js';
import { type ConfigProblem, ConfigProblems } from '../config/problems.js';
import { escapeForDisplay } from '../text/escape.js';
import { type Database, lookUpAccounts } from './getent.js';

/** -1: leave unchanged, as in chown(2). */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
}

export type Accounts = ReadonlyMap<ImportConfig, Ownership>;

/** The ids of those of these names that exist. */
export type LookUp = (
  database: Database,
  names: readonly string[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, number>>;

export interface AccountsOptions {
  /** Stops when it is aborted, with its reason. */
  readonly signal?: AbortSignal;
  readonly lookUp?: LookUp;
}

/** Undefined if the system has no such group. Throws `FILE_ACCESS` if the lookup fails. */
export async function lookUpGroup(name: string): Promise<number | undefined> {
  return (await lookUpAccounts('group', [name], new AbortController().signal)).get(name);
}

type Key = 'owner' | 'group';

const DATABASES: Readonly<Record<Key, { readonly database: Database; readonly what: string }>> = {
  owner: { database: 'passwd', what: 'a user of this system' },
  group: { database: 'group', what: 'a group of this system' },
};

/**
 * Throws `CONFIG_INVALID` that names every unknown user and group with its place, and `FILE_ACCESS` if
 * the databases do not answer.
 */
export async function resolveAccounts(
  imports: readonly ImportConfig[],
  { signal = new AbortController().signal, lookUp = lookUpAccounts }: AccountsOptions = {},
): Promise<Accounts> {
  const known = async (key: Key): Promise<ReadonlyMap<string, number>> => {
    const names = new Set(imports.map(rule => rule[key]).filter(isName));
    return names.size === 0 ? new Map() : lookUp(DATABASES[key].database, [...names], signal);
  };
  const [users, groups] = await Promise.all([known('owner'), known('group')]);
  const problems: ConfigProblem[] = [];
  const accounts = new Map<ImportConfig, Ownership>();
  for (const [index, rule] of imports.entries()) {
    const idOf = (key: Key, ids: ReadonlyMap<string, number>): number => {
      const account = rule[key];
      if (!isName(account)) return account ?? -1;
      const id = ids.get(account);
      if (id === undefined) problems.push(unknown(rule, index, key, account));
      return id ?? -1;
    };
    accounts.set(rule, { uid: idOf('owner', users), gid: idOf('group', groups) });
  }
  if (problems.length > 0) throw new ConfigProblems(problems);
  return accounts;
}

function isName(account: string | number | undefined): account is string {
  return typeof account === 'string';
}

function unknown({ source }: ImportConfig, index: number, key: Key, name: string): ConfigProblem {
  return {
    ...(source ?? { file: '(default)', line: 1, column: 1 }),
    path: `${source?.path ?? `imports[${index}]`}.${key}`,
    found: `"${escapeForDisplay(name)}"`,
    expected: DATABASES[key].what,
  };
}
