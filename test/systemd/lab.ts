/**
 * What the systemd tests boot: Debian 12 in a directory, and over it a layer with this machine's Node and the
 * package as a user installs it. XSOCK_SYSTEMD_LAB names the directory that keeps both from run to run
 * (default: one in the user's cache).
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackage } from '../support/package.js';

/** The scripts. */
export const HERE = fileURLToPath(new URL('../../../test/systemd/lab', import.meta.url));

const CACHE = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
/** What is kept from run to run. */
export const LAB = process.env.XSOCK_SYSTEMD_LAB ?? join(CACHE, 'xsock/systemd-lab');

/** Debian 12 alone. */
export const ROOT = join(LAB, 'root');
/** Node alone. */
export const NODE_LAYER = join(LAB, 'node');
/** The package, installed globally. */
export const PACKAGE_LAYER = join(LAB, 'package');
/** Where it is in the machine. */
export const INSTALLED = '/usr/lib/node_modules/xsock';

const REASON = join(LAB, 'cannot');

/** Builds both. A text says why this machine cannot: tap's `skip`. */
function prepareLab(): false | string {
  const { status, stdout, stderr } = spawnSync(join(HERE, 'build'), [LAB], { encoding: 'utf8' });
  if (status === 77) return stdout.trim().split('\n').at(-1) ?? 'the root cannot be built';
  if (status !== 0) throw new Error(`test/systemd/lab/build has failed:\n${stdout}${stderr}`);
  layNode();
  layPackage();
  const node = spawnSync('chroot', [ROOT, '/bin/true'], { encoding: 'utf8' });
  return node.status === 0 ? false : `the root does not run: ${node.stderr}`;
}

function layNode(): void {
  rmSync(NODE_LAYER, { recursive: true, force: true });
  mkdirSync(join(NODE_LAYER, 'usr/bin'), { recursive: true });
  cpSync(realpathSync(process.execPath), join(NODE_LAYER, 'usr/bin/node'));
}

/** As `npm install --global --prefix /usr` leaves it. */
function layPackage(): void {
  const prefix = installPackage(LAB);
  rmSync(PACKAGE_LAYER, { recursive: true, force: true });
  mkdirSync(join(PACKAGE_LAYER, 'usr/bin'), { recursive: true });
  cpSync(join(prefix, 'node_modules'), join(PACKAGE_LAYER, 'usr/lib/node_modules'), {
    recursive: true,
    dereference: false,
    verbatimSymlinks: true,
  });
  const { bin } = JSON.parse(
    readFileSync(join(PACKAGE_LAYER, INSTALLED, 'package.json'), 'utf8'),
  ) as { bin: Readonly<Record<string, string>> };
  for (const [name, file] of Object.entries(bin)) {
    symlinkSync(join('../lib/node_modules/xsock', file), join(PACKAGE_LAYER, 'usr/bin', name));
  }
}

/** Before the tests, which run side by side: builds what they boot, and keeps why it could not. */
export function prepareTests(): void {
  mkdirSync(LAB, { recursive: true });
  writeFileSync(REASON, prepareLab() || '');
}

/** What prepareTests() kept: tap's `skip`. */
export function prepared(): false | string {
  return readFileSync(REASON, 'utf8') || false;
}
