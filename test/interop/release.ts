/**
 * The release before this one, built from its tag: what domains that have not been upgraded yet still run.
 * Built once and kept below test/interop/build/.
 */
import { type ExecFileOptions, execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const KEPT = join(ROOT, 'test/interop/build');
const TAG = 'v0.1.0';
/** What the tag names: a clone may be without tags. */
const COMMIT = '150e78e4aa87eb92cc0af8980cd48ca6335fa4dc';
/** What a build takes. The tests of that release would be compiled as well. */
const SOURCES = ['addon', 'daemon', 'config', 'package.json', 'package-lock.json', 'tsconfig.json'];
/** What is needed to run it. */
const PACKAGE = [
  'dist',
  'config',
  'addon/build/Release/xsock.node',
  'package.json',
  'node_modules',
];

const run = promisify(execFile);

/** Without the hooks that tap puts into NODE_OPTIONS of all that a test starts: the compiler fails with them. */
async function npm(args: readonly string[], options: ExecFileOptions): Promise<void> {
  const command = ['-u', 'NODE_OPTIONS', 'npm', ...args];
  await run('env', command, { maxBuffer: 64 * 1024 * 1024, ...options });
}

/** Full hash; undefined if this is no clone, or one without that part of the history. */
function resolveRelease(): string | undefined {
  for (const name of [TAG, COMMIT]) {
    try {
      const args = ['rev-parse', '--verify', '--quiet', `${name}^{commit}`];
      return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
    } catch {
      // Not in this clone under that name.
    }
  }
  return undefined;
}

const commit = resolveRelease();

/** False, or why no release can be built: tap's `skip`. */
export const withoutRelease: false | string =
  commit === undefined && `neither ${TAG} nor ${COMMIT} is in this clone (fetch tags and history)`;

/** The directory of the release's package, ready to run. */
export async function buildRelease(): Promise<string> {
  const directory = join(KEPT, `${commit}-${process.arch}`);
  if (!existsSync(directory)) {
    mkdirSync(KEPT, { recursive: true });
    const work = mkdtempSync(join(KEPT, 'work-'));
    try {
      await buildIn(work);
      const whole = join(work, 'package');
      for (const path of PACKAGE.filter(path => existsSync(join(work, path)))) {
        mkdirSync(join(whole, path, '..'), { recursive: true });
        renameSync(join(work, path), join(whole, path));
      }
      renameSync(whole, directory);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return directory;
}

async function buildIn(work: string): Promise<void> {
  const archive = join(work, 'sources.tar');
  await run('git', ['archive', '-o', archive, String(commit), ...SOURCES], { cwd: ROOT });
  await run('tar', ['xf', archive, '-C', work]);
  if (!sameDependencies(work)) {
    await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: work });
  }
  const env = { JOBS: String(availableParallelism()), ...process.env };
  for (const script of ['prepare', 'install']) {
    await npm(['run', '--silent', script], { cwd: work, env });
  }
}

/**
 * Whether our node_modules are also that release's: the same packages, in the same versions. Node and npm find
 * them, since the release is in a directory below ours.
 */
function sameDependencies(work: string): boolean {
  const [theirs, ours] = [work, ROOT].map(root => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
    // The entry '' is the project, with its version.
    return JSON.stringify({ ...lock.packages, '': null });
  });
  return theirs === ours;
}
