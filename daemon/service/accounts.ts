/** User and group names of import rules as numbers, asked of the system's own databases (NSS). */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ImportConfig } from '../config/config.js';
import { ConfigProblems } from '../config/problems.js';
import { messageOf, XsockError } from '../errors.js';
import { escapeForDisplay } from './name.js';

const run = promisify(execFile);

/** getent(1): the key was not found. */
const NOT_FOUND = 2;

/** -1: leave as it is, as chown(2) has it. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
}

export type Accounts = ReadonlyMap<ImportConfig, Ownership>;

async function lookUp(
  database: 'passwd' | 'group',
  name: string | number | undefined,
): Promise<number | undefined> {
  if (name === undefined || typeof name === 'number') {
    return name ?? -1;
  }
  try {
    const { stdout } = await run('getent', ['--', database, name]);
    return Number(stdout.split(':')[2]);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NOT_FOUND) {
      return undefined;
    }
    throw new XsockError(
      'FILE_ACCESS',
      `getent cannot be asked for '${name}': ${messageOf(error)}`,
    );
  }
}

/** Undefined if the system has no such group. Throws `FILE_ACCESS` if it cannot be asked. */
export function lookUpGroup(name: string): Promise<number | undefined> {
  return lookUp('group', name);
}

/** Throws `CONFIG_INVALID` that names every unknown user and group with its place. */
export async function resolveAccounts(imports: readonly ImportConfig[]): Promise<Accounts> {
  const accounts = new Map<ImportConfig, Ownership>();
  const problems = [];
  for (const [index, rule] of imports.entries()) {
    const uid = await lookUp('passwd', rule.owner);
    const gid = await lookUp('group', rule.group);
    const source = rule.source ?? { file: '(default)', line: 1, column: 1 };
    if (uid === undefined) {
      const found = `"${escapeForDisplay(String(rule.owner))}"`;
      problems.push({
        ...source,
        path: `imports[${index}].owner`,
        found,
        expected: 'a user of this system',
      });
    }
    if (gid === undefined) {
      const found = `"${escapeForDisplay(String(rule.group))}"`;
      problems.push({
        ...source,
        path: `imports[${index}].group`,
        found,
        expected: 'a group of this system',
      });
    }
    accounts.set(rule, { uid: uid ?? -1, gid: gid ?? -1 });
  }
  if (problems.length > 0) {
    throw new ConfigProblems(problems);
  }
  return accounts;
}
