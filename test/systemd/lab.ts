/**
 * What the systemd tests boot: Debian 12 in a directory, and over it a layer with this machine's Node and the
 * package as a user installs it. XSOCK_SYSTEMD_LAB names the directory that keeps both from run to run
 * (default: one in the user's cache).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../support/installed.js';
import { installPackage, packPackage } from '../support/package.js';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
/** The scripts. */
export const HERE = fileURLToPath(new URL('../../../test/systemd/lab', import.meta.url));

const CACHE = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
/** What is kept from run to run. */
export const LAB = process.env.XSOCK_SYSTEMD_LAB ?? join(CACHE, 'xsock/systemd-lab');

/** Debian 12 alone. */
export const ROOT = join(LAB, 'root');
/** Node, npm and Node's headers. */
export const NODE_LAYER = join(LAB, 'node');
/** The package, installed globally. */
export const PACKAGE_LAYER = join(LAB, 'package');
/** A checkout of the project, and what npm needs to install it without a network. */
export const SOURCE_LAYER = join(LAB, 'source');
/** Where the checkout is in the machine. */
export const CHECKOUT = '/root/xsock';
/** Where the package is in the machine. */
export const INSTALLED = '/usr/lib/node_modules/xsock';

const REASON = join(LAB, 'cannot');

/** Builds both. A text says why this machine cannot: tap's `skip`. */
function prepareLab(): false | string {
  const { status, stdout, stderr } = spawnSync(join(HERE, 'build'), [LAB], { encoding: 'utf8' });
  if (status === 77) return stdout.trim().split('\n').at(-1) ?? 'the root cannot be built';
  if (status !== 0) throw new Error(`test/systemd/lab/build has failed:\n${stdout}${stderr}`);
  layNode();
  layPackage();
  laySource();
  const node = spawnSync('chroot', [ROOT, '/bin/true'], { encoding: 'utf8' });
  return node.status === 0 ? false : `the root does not run: ${node.stderr}`;
}

function layNode(): void {
  const node = realpathSync(process.execPath);
  const npm = dirname(dirname(realpathSync(findProgram('npm') ?? '')));
  rmSync(NODE_LAYER, { recursive: true, force: true });
  mkdirSync(join(NODE_LAYER, 'usr/bin'), { recursive: true });
  cpSync(node, join(NODE_LAYER, 'usr/bin/node'));
  cpSync(npm, join(NODE_LAYER, 'usr/lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(NODE_LAYER, 'usr/bin/npm'));
  const headers = [
    dirname(dirname(node)),
    '/usr',
    join(CACHE, 'node-gyp', process.version.slice(1)),
  ]
    .map(prefix => join(prefix, 'include/node'))
    .find(existsSync);
  if (headers === undefined)
    throw new Error("Node's headers are nowhere: install the package once");
  cpSync(headers, join(NODE_LAYER, 'usr/include/node'), { recursive: true });
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

/** The files of the working tree, and in npm's cache what they and the package depend on. */
function laySource(): void {
  const cache = join(LAB, 'npm');
  const checkout = join(SOURCE_LAYER, CHECKOUT);
  rmSync(SOURCE_LAYER, { recursive: true, force: true });
  const files = run('git', ['ls-files', '-z'], PROJECT).split('\0');
  for (const file of files.filter(Boolean)) {
    cpSync(join(PROJECT, file), join(checkout, file), { verbatimSymlinks: true });
  }
  const stamp = join(cache, 'complete');
  const lock = readFileSync(join(PROJECT, 'package-lock.json'), 'utf8');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    const scratch = join(LAB, 'scratch');
    cpSync(checkout, scratch, { recursive: true });
    const quiet = ['--silent', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', cache];
    run('npm', ['ci', ...quiet], scratch);
    const tarball = packPackage(join(LAB, 'packed'));
    run('npm', ['install', ...quiet, '--no-save', '--prefix', join(scratch, 'x'), tarball], LAB);
    rmSync(scratch, { recursive: true });
    writeFileSync(stamp, lock);
  }
  cpSync(cache, join(SOURCE_LAYER, 'root/.npm'), { recursive: true });
  writeFileSync(join(SOURCE_LAYER, 'root/.npmrc'), 'offline=true\nupdate-notifier=false\n');
}

const run = (program: string, args: readonly string[], cwd: string): string =>
  execFileSync(program, args, { cwd, encoding: 'utf8' });

/** Before the tests, which run side by side: builds what they boot, and keeps why it could not. */
export function prepareTests(): void {
  mkdirSync(LAB, { recursive: true });
  writeFileSync(REASON, prepareLab() || '');
}

/** What prepareTests() kept: tap's `skip`. */
export function prepared(): false | string {
  return readFileSync(REASON, 'utf8') || false;
}
