/** The folders are the architecture: who may import whom, and that no file grows out of hand. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const MAX_LINES = 400;

/**
 * Lowest first; a layer may import those of lower ranks and itself, types included. Each is a whole folder or
 * a file beside the folders: a layer for a part of a folder would hide that the folder depends on its users.
 */
const DAEMON_LAYERS: readonly (readonly string[])[] = [
  ['preflight', 'errors', 'ids', 'monotonic', 'portions', 'token-bucket', 'version', 'backoff'],
  ['retry', 'text', 'dataplane', 'http'],
  ['xenstore', 'lock', 'systemd'],
  ['config', 'control', 'loopback'],
  ['log', 'policy'],
  ['link', 'service'],
  ['discovery', 'vchan'],
  ['broker'],
  ['daemon'],
  ['process'],
  ['cli'],
  ['main'],
];

const ADDON_LAYERS: readonly (readonly string[])[] = [
  ['sys', 'abi', 'schema'],
  ['ring', 'hypervisor'],
  ['hypervisor/loopback', 'hypervisor/self', 'hypervisor/xen'],
  ['channel', 'stream'],
  ['link'],
  ['pump'],
  ['vchan'],
  ['binding'],
];

function sources(folder: string, extension: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => extension.test(name) && !/(^|\/)build\//.test(name))
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

/** What a TypeScript file imports of ours, types included. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^(?:import|export) (?:[^;]*?from )?'(\.[^']+)\.js'/gms)].map(
    ([, path = '']) => `${normalize(join(dirname(file), path))}.ts`,
  );
}

function includesOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^#include "([^"]+)"/gm)].map(([, path = '']) => join('addon', path));
}

/** The first circle in a graph, as the nodes along it; empty if there is none. */
function circle(graph: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): readonly string[] => {
    const place = path.indexOf(node);
    if (place >= 0) return [...path.slice(place), node];
    if (done.has(node)) return [];
    for (const next of graph.get(node) ?? []) {
      const found = visit(next, [...path, node]);
      if (found.length > 0) return found;
    }
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const found = visit(node, []);
    if (found.length > 0) return found;
  }
  return [];
}

/** Who depends on whom, where files with the same `nodeOf` are one. */
function graphOf(
  files: readonly string[],
  dependencies: (file: string) => readonly string[],
  nodeOf: (file: string) => string,
): ReadonlyMap<string, ReadonlySet<string>> {
  const graph = new Map<string, Set<string>>();
  for (const file of files) {
    const node = nodeOf(file);
    const edges = graph.get(node) ?? new Set();
    graph.set(node, edges);
    for (const other of dependencies(file)) if (nodeOf(other) !== node) edges.add(nodeOf(other));
  }
  return graph;
}

/** Its folder; a file beside the folders stands for itself. */
function folderOf(file: string): string {
  const folder = dirname(file);
  return folder.includes('/') ? folder : file;
}

t.test('daemon/: imports go downward only, those of types as well', async t => {
  const files = sources('daemon', /\.ts$/);
  t.ok(files.length > 80);
  const faults: string[] = [];
  for (const file of files) {
    const own = rankOf(DAEMON_LAYERS, relative('daemon', file));
    if (own.rank < 0) faults.push(`${file} belongs to no layer`);
    for (const path of importsOf(file)) {
      const other = rankOf(DAEMON_LAYERS, relative('daemon', path));
      if (other.rank >= own.rank && other.name !== own.name) faults.push(`${file} imports ${path}`);
    }
  }
  t.same(faults, []);
});

t.test('a layer is a whole folder, or a file beside the folders', async t => {
  t.same(
    DAEMON_LAYERS.flat().filter(name => name.includes('/')),
    [],
  );
});

t.test('no files and no folders depend on each other in a circle', async t => {
  const daemon = sources('daemon', /\.ts$/);
  const addon = sources('addon', /\.(cc|h)$/);
  const unit = (file: string) => file.replace(/\.(cc|h)$/, '');
  t.same(circle(graphOf(daemon, importsOf, file => file)), []);
  t.same(circle(graphOf(daemon, importsOf, folderOf)), []);
  t.same(circle(graphOf(addon, includesOf, unit)), []);
  t.same(circle(graphOf(addon, includesOf, dirname)), []);
});

t.test('the search for circles finds one', async t => {
  const graph = new Map([
    ['a', new Set(['b'])],
    ['b', new Set(['c'])],
    ['c', new Set(['d', 'b'])],
  ]);
  t.same(circle(graph), ['b', 'c', 'b']);
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
    for (const path of includesOf(file).map(name => relative('addon', name))) {
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
