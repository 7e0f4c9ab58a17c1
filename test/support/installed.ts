/** Real programs on the other end: a test that needs one that is missing skips and says which. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where Debian keeps programs that are not for everybody's PATH. */
const MORE_DIRECTORIES = ['/usr/sbin', '/sbin'];

export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE_DIRECTORIES];
  return directories.map(directory => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** False if all are installed, else why the test is skipped: tap's `skip`. */
export function installed(...names: readonly string[]): false | string {
  const missing = names.filter(name => findProgram(name) === undefined);
  return missing.length === 0 ? false : `not installed: ${missing.join(', ')}`;
}
