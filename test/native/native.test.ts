/**
 * The C++ tests (test/native/*_test.cc) as subtests: each program speaks TAP. `npm test` builds them
 * before (`make -C test/native`).
 */
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const SOURCES = fileURLToPath(new URL('../../../test/native/', import.meta.url));
const variant = process.env.XSOCK_NATIVE_VARIANT ?? 'plain';

for (const file of readdirSync(SOURCES).filter(name => name.endsWith('_test.cc'))) {
  const program = basename(file, '.cc');
  await t.spawn(`${SOURCES}build/${variant}/${program}`, [], { cwd: SOURCES }, program);
}
