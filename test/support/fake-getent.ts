/** A getent(1) of a test's own, found before the system's. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A PATH whose getent is this shell script; it is made in `directory`. */
export function pathWithGetent(directory: string, script: string): string {
  const folder = join(directory, 'bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'getent'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return `${folder}:${process.env.PATH ?? ''}`;
}
