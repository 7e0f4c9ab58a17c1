/** A directory of a test's own, with a path short enough for sockets in it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** Removed with all that is in it when the test has ended. */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'xs-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
