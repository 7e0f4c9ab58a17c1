/** The version of this build, from its package.json. */
import { readFileSync } from 'node:fs';

/** Two folders up from dist/daemon/, where npm keeps the file beside dist/. */
const PACKAGE = new URL('../../package.json', import.meta.url);

export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  return version;
}
