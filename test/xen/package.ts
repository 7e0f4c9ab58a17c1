/**
 * The project as a user gets it, and with it, at the same place, what only the tests need: the agent of
 * the domains.
 */
import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackage } from '../support/package.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const installedIn = (lab: string): string => join(lab, 'installed');

/** Where the package is in a domain. */
export const INSTALLED = '/opt/xsock/node_modules/xsock';

/** Packs, installs if the package is new, and compiles what only the tests need. */
export function preparePackage(lab: string): void {
  const prefix = installPackage(lab);
  execFileSync('make', ['-s', '-C', 'test/native', 'xen'], { cwd: ROOT, stdio: 'inherit' });
  const sysroot = join(lab, 'sysroot/usr');
  execFileSync('cc', [
    ...['-Wall', '-Werror', '-O1', join(ROOT, 'test/xen/lab/vchan-echo.c')],
    ...['-o', join(prefix, 'vchan-echo'), '-isystem', join(sysroot, 'include')],
    ...['-L', join(sysroot, 'lib/x86_64-linux-gnu'), '-lxenvchan', '-Wl,--allow-shlib-undefined'],
  ]);
}

/** Fills `payload` with what is laid over the root of every domain. */
export function layPayload(lab: string, payload: string): void {
  const prefix = installedIn(lab);
  cpSync(join(prefix, 'node_modules'), join(payload, 'opt/xsock/node_modules'), {
    recursive: true,
    dereference: false,
    verbatimSymlinks: true,
  });
  for (const program of ['xen_contract', 'xen_free_pages']) {
    cpSync(join(ROOT, 'test/native/build/plain', program), join(payload, 'opt/test', program));
  }
  cpSync(join(prefix, 'vchan-echo'), join(payload, 'opt/test/vchan-echo'));
  const test = join(payload, INSTALLED, 'dist/test');
  for (const part of ['support', 'xen/agent']) {
    cpSync(join(ROOT, 'dist/test', part), join(test, part), { recursive: true });
  }
}
