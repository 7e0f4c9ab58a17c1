/** The addon as it was built: it reads what hostile peers write, so the compiler's guards are on. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { installed } from '../../support/installed.js';

const ADDON = fileURLToPath(new URL('../../../../addon/build/Release/xsock.node', import.meta.url));

function readelf(...options: readonly string[]): string {
  return execFileSync('readelf', ['--wide', ...options, ADDON], { encoding: 'utf8' });
}

t.test('the addon is hardened', { skip: installed('readelf') }, async t => {
  const symbols = readelf('--dyn-syms');
  t.match(symbols, /__stack_chk_fail/, 'stack protector');
  t.match(symbols, /__\w+_chk@/, '_FORTIFY_SOURCE');
  t.match(readelf('--segments'), /GNU_RELRO/, 'read-only relocations,');
  t.match(readelf('--dynamic'), /BIND_NOW|FLAGS_1.*NOW/, 'all of them');
  t.match(readelf('--segments'), /GNU_STACK\s.*\sRW\s/, 'no executable stack');
});
