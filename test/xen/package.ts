/**
 * The project as a user gets it: `npm pack`, then `npm install` of that file into a directory of its own.
 * With it, at the same place, what only the tests need: the agent of the domains.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const installedIn = (lab: string): string => join(lab, 'installed');

/** Where the package is in a domain. */
export const INSTALLED = '/opt/xsock/node_modules/xsock';

const npm = (...args: readonly string[]): string =>
  execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' });

/** Packs, installs if the package is new, and compiles what only the tests need. */
export function preparePackage(lab: string): void {
  const packed = join(lab, 'packed');
  rmSync(packed, { recursive: true, force: true });
  mkdirSync(packed, { recursive: true });
  const tarball = join(
    packed,
    npm('pack', '--silent', '--ignore-scripts', '--pack-destination', packed).trim(),
  );
  const hash = createHash('sha256').update(readFileSync(tarball)).digest('hex');
  const prefix = installedIn(lab);
  const complete = join(prefix, 'complete');
  if (!existsSync(complete) || readFileSync(complete, 'utf8') !== hash) {
    rmSync(prefix, { recursive: true, force: true });
    mkdirSync(prefix, { recursive: true });
    npm('install', '--silent', '--no-save', '--no-audit', '--no-fund', '--prefix', prefix, tarball);
    // The addon's object files and headers are as large as all the rest.
    const built = join(prefix, 'node_modules/xsock/addon/build');
    cpSync(join(built, 'Release/xsock.node'), join(prefix, 'xsock.node'));
    rmSync(built, { recursive: true });
    mkdirSync(join(built, 'Release'), { recursive: true });
    cpSync(join(prefix, 'xsock.node'), join(built, 'Release/xsock.node'));
    writeFileSync(complete, hash);
  }
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
