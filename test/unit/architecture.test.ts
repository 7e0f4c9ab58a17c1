/** The folders are the architecture: who may import whom, and that no file grows out of hand. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MAX_LINES = 400;

/** Lowest first; a folder may import those of lower ranks and its own. */
const DAEMON_LAYERS: readonly (readonly string[])[] = [
  ['preflight', 'errors', 'ids', 'monotonic', 'portions', 'token-bucket', 'version'],
  ['retry'],
  ['http', 'dataplane'],
  ['xenstore', 'lock', 'systemd'],
  ['service/name'],
  ['config'],
  ['log', 'policy'],
  ['link'],
  ['discovery', 'service', 'loopback'],
  ['broker', 'control', 'vchan'],
  ['daemon'],
  ['process'],
  ['cli', 'main'],
];

const ADDON_LAYERS: readonly (readonly string[])[] = [
  ['sys', 'abi'],
  ['ring', 'hypervisor'],
  ['hypervisor/loopback', 'hypervisor/self', 'hypervisor/xen'],
  ['link'],
  ['pump'],
  ['vchan'],
  ['binding'],
];

function sources(folder: string, extension: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => extension.test(name) && !name.startsWith('build/'))
    .map(name => join(folder, name));
}

/** The longest prefix of the path that is a layer's name. */
function rankOf(
  layers: readonly (readonly string[])[],
  path: string,
): { rank: number; name: string } {
  let best = { rank: -1, name: '' };
  for (const [rank, names] of layers.entries()) {
    for (const name of names) {
      const within = path === name || path.startsWith(`${name}/`) || path.startsWith(`${name}.`);
      if (within && name.length > best.name.length) best = { rank, name };
    }
  }
  return best;
}

/** What a TypeScript file imports of ours, as paths below daemon/. */
function importsOf(file: string): { path: string; typeOnly: boolean }[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^(?:import|export) (type )?[^;]*?from '(\.[^']+)'/gms)].map(match => ({
    path: relative('daemon', normalize(join(dirname(file), match[2] ?? ''))),
    typeOnly: match[1] !== undefined,
  }));
}

t.test('daemon/: imports go downward only (types may be named from anywhere)', async t => {
  const files = sources('daemon', /\.ts$/);
  t.ok(files.length > 80);
  const faults: string[] = [];
  for (const file of files) {
    const own = rankOf(DAEMON_LAYERS, relative('daemon', file));
    if (own.rank < 0) faults.push(`${file} belongs to no layer`);
    for (const { path, typeOnly } of importsOf(file)) {
      const other = rankOf(DAEMON_LAYERS, path);
      if (typeOnly || own.name === other.name) continue;
      if (other.rank >= own.rank) faults.push(`${file} imports ${path}`);
    }
  }
  t.same(faults, []);
});

t.test('what a peer can cause is logged through its limiter, as a text of ours', async t => {
  const files = [
    ...['link', 'service', 'vchan'].flatMap(folder => sources(`daemon/${folder}`, /\.ts$/)),
    ...['broker/peer', 'broker/stream-log', 'discovery/peer-watch'].map(
      name => `daemon/${name}.ts`,
    ),
  ];
  const faults = files.flatMap(file => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return [
      ...(text.includes("from 'pino'") ? [`${file} uses the log as it is (log/peer-logs.ts)`] : []),
      // A text that differs each time is a kind of its own each time.
      ...(/\.(info|warn|error)\(\s*(\{[^}]*\},\s*)?`/.test(text)
        ? [`${file}: not one of ours`]
        : []),
    ];
  });
  t.same(faults, []);
});

t.test('only one file loads the addon', async t => {
  const loaders = sources('daemon', /\.ts$/).filter(file =>
    readFileSync(join(ROOT, file), 'utf8').includes('createRequire'),
  );
  t.same(loaders, ['daemon/dataplane/native.ts']);
});

t.test('addon/: includes go downward only, back ends do not know each other', async t => {
  const files = sources('addon', /\.(cc|h)$/);
  t.ok(files.length > 40);
  const faults: string[] = [];
  for (const file of files) {
    const own = rankOf(ADDON_LAYERS, relative('addon', file));
    if (own.rank < 0) faults.push(`${file} belongs to no layer`);
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const [, path = ''] of text.matchAll(/^#include "([^"]+)"/gm)) {
      const other = rankOf(ADDON_LAYERS, path);
      const upward = other.rank >= own.rank && other.name !== own.name;
      const backEnd = path.startsWith('hypervisor/') && path !== 'hypervisor/hypervisor.h';
      const mayKnowBackEnds = ['hypervisor', 'binding'].includes(own.name.split('/')[0] ?? '');
      if (upward || (backEnd && !mayKnowBackEnds)) faults.push(`${file} includes ${path}`);
    }
  }
  t.same(faults, []);
});

t.test(`no file has more than ${MAX_LINES} lines`, async t => {
  const files = [
    ...sources('daemon', /\.ts$/),
    ...sources('addon', /\.(cc|h)$/),
    ...sources('test', /\.(ts|cc|h)$/),
  ];
  const long = files.filter(
    file => readFileSync(join(ROOT, file), 'utf8').split('\n').length > MAX_LINES,
  );
  t.same(long, []);
});
