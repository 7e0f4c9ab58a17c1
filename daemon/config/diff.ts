/**
 * What changed between two configurations, so that a reload touches only that (broker/changes.ts says which
 * parts). Pure. Where a setting stands in its file does not count: a moved line is no change.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Config, ExportConfig, ImportConfig, PeerConfig } from './config.js';
import { selectorKey } from './selectors.js';

export interface ListDiff<Item> {
  readonly added: readonly Item[];
  readonly removed: readonly Item[];
  readonly changed: readonly { readonly before: Item; readonly after: Item }[];
}

export interface ConfigDiff {
  /** Identified by name, or by port where there is no name. */
  readonly exports: ListDiff<ExportConfig>;
  /** Identified by peer and service. */
  readonly imports: ListDiff<ImportConfig>;
  /** The same rules in another order: since the first match wins, that may change everything. */
  readonly importsReordered: boolean;
  /** Identified by domid, or by name where there is no domid; automatically discovered peers are not included. */
  readonly peers: ListDiff<PeerConfig>;
  /** The first entry of a domain counts, and a domid and a name may be the same domain's. */
  readonly peersReordered: boolean;
  /** Peers are listed now and were discovered automatically before, or the other way round. */
  readonly peerDiscoveryChanged: boolean;
  /** Keys of single settings that changed and take effect immediately, or on future links and streams. */
  readonly settings: readonly string[];
  /** Keys of single settings that changed but keep their old value until the daemon is restarted. */
  readonly restart: readonly string[];
}

interface Setting {
  readonly key: string;
  readonly value: (config: Config) => string | number;
  /** Its value is used once, at the start. */
  readonly fixed?: boolean;
}

const SETTINGS: readonly Setting[] = [
  { key: 'run', value: config => config.run, fixed: true },
  { key: 'log.level', value: config => config.log.level },
  { key: 'log.format', value: config => config.log.format, fixed: true },
  { key: 'directory.publish', value: config => config.directory.publish.map(selectorKey).join() },
  { key: 'directory.trust', value: config => String(config.directory.trust) },
  { key: 'limits.streams-per-peer', value: config => config.limits.streamsPerPeer },
  { key: 'limits.memory-per-stream', value: config => config.limits.memoryPerStream },
  { key: 'limits.memory-total', value: config => config.limits.memoryTotal },
  { key: 'link.ring-size', value: config => config.link.ringOrder },
  { key: 'link.heartbeat-interval', value: config => config.link.heartbeatInterval, fixed: true },
  { key: 'link.heartbeat-timeout', value: config => config.link.heartbeatTimeout, fixed: true },
  { key: 'link.poll-time', value: config => config.link.pollTime, fixed: true },
  { key: 'link.pumps', value: config => config.link.pumps, fixed: true },
  { key: 'drain-timeout', value: config => config.drainTimeout },
];

export function diffConfig(before: Config, after: Config): ConfigDiff {
  const exports = diffList(before.exports, after.exports, exportKey);
  const imports = diffList(before.imports, after.imports, importKey);
  const importsReordered = reordered(before.imports, after.imports, importKey);
  const peers = diffList(before.peers ?? [], after.peers ?? [], peerKey);
  const peersReordered = reordered(before.peers ?? [], after.peers ?? [], peerKey);
  const peerDiscoveryChanged = (before.peers === undefined) !== (after.peers === undefined);
  const changed = SETTINGS.filter(({ value }) => value(before) !== value(after));
  return {
    exports,
    imports,
    importsReordered,
    peers,
    peersReordered,
    peerDiscoveryChanged,
    settings: changed.filter(({ fixed }) => fixed !== true).map(({ key }) => key),
    restart: changed.filter(({ fixed }) => fixed === true).map(({ key }) => key),
  };
}

function peerKey({ domid, name }: PeerConfig): string {
  return domid === undefined ? `name ${name}` : `domid ${domid}`;
}

function exportKey(service: ExportConfig): string {
  return service.name === undefined ? `port ${service.port}` : `name ${service.name}`;
}

function importKey(rule: ImportConfig): string {
  return `${selectorKey(rule.peer)} / ${selectorKey(rule.service)}`;
}

function diffList<Item>(
  before: readonly Item[],
  after: readonly Item[],
  keyOf: (item: Item) => string,
): ListDiff<Item> {
  const old = byKey(before, keyOf);
  const current = byKey(after, keyOf);
  return {
    added: [...current].filter(([key]) => !old.has(key)).map(([, item]) => item),
    removed: [...old].filter(([key]) => !current.has(key)).map(([, item]) => item),
    changed: [...current].flatMap(([key, item]) => {
      const earlier = old.get(key);
      const same = earlier === undefined || isDeepStrictEqual(bare(earlier), bare(item));
      return same ? [] : [{ before: earlier, after: item }];
    }),
  };
}

/** Of rules with the same key only the first ever matches, so only that one counts. */
function byKey<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item> {
  return new Map(items.toReversed().map(item => [keyOf(item), item]));
}

function reordered<Item>(
  before: readonly Item[],
  after: readonly Item[],
  keyOf: (item: Item) => string,
): boolean {
  const old = new Set(before.map(keyOf));
  const current = new Set(after.map(keyOf));
  const kept = [...old].filter(key => current.has(key));
  return !isDeepStrictEqual(
    kept,
    [...current].filter(key => old.has(key)),
  );
}

/** Without the places in the file, at any depth. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'source')
      .map(([key, inner]) => [key, bare(inner)]),
  );
}
