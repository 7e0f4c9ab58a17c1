/**
 * The project as a user gets it: `npm pack`, then `npm install` of that file into a directory of its own. The
 * addon, which takes longest, is compiled anew only if its sources are new.
 */
import { execFileSync } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const BUILT = 'addon/build/Release/xsock.node';

const npm = (...args: readonly string[]): string =>
  execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' });

/** Packs what is compiled now; the path of the file. */
export function packPackage(directory: string): string {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const packed = npm('pack', '--silent', '--ignore-scripts', '--pack-destination', directory);
  return join(directory, packed.trim());
}

/** Installs what is compiled now below `lab`, if it is not there yet; the prefix of the installation. */
export function installPackage(lab: string): string {
  const tarball = packPackage(join(lab, 'packed'));
  const prefix = join(lab, 'installed');
  const complete = join(prefix, 'complete');
  const hash = createHash('sha256').update(readFileSync(tarball)).digest('hex');
  if (!existsSync(complete) || readFileSync(complete, 'utf8') !== hash) {
    rmSync(prefix, { recursive: true, force: true });
    mkdirSync(prefix, { recursive: true });
    npm(
      ...['install', '--silent', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'],
      ...['--prefix', prefix, tarball],
    );
    buildAddon(lab, prefix);
    writeFileSync(complete, hash);
  }
  return prefix;
}

/** As the package's own install script does, unless the lab has it of the same sources and Node. */
function buildAddon(lab: string, prefix: string): void {
  const installed = join(prefix, 'node_modules/xsock');
  const kept = join(lab, `addon-${hashOf(join(installed, 'addon'))}.node`);
  if (!existsSync(kept)) {
    npm('rebuild', '--silent', '--foreground-scripts', '--prefix', prefix, 'xsock');
    cpSync(join(installed, BUILT), kept);
  }
  // The object files and headers are as large as all the rest.
  rmSync(join(installed, 'addon/build'), { recursive: true, force: true });
  cpSync(kept, join(installed, BUILT));
}

function hashOf(directory: string): string {
  const hash = createHash('sha256').update(process.version);
  addTree(hash, directory);
  return hash.digest('hex').slice(0, 16);
}

function addTree(hash: Hash, directory: string): void {
  const entries = readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    hash.update(`${entry.name}\0`);
    if (entry.isDirectory()) addTree(hash, path);
    else hash.update(readFileSync(path));
  }
}
