/** Describes a configuration's differences, for the log and for the caller of the reload. Pure. */
import type { ExportConfig, ImportConfig, PeerConfig } from '../config/config.js';
import type { ConfigDiff, ListDiff } from '../config/diff.js';
import { selectorKey } from '../config/selectors.js';

function exportName({ name, port }: ExportConfig): string {
  return name ?? `port ${port}`;
}
function importName({ peer, service }: ImportConfig): string {
  return `${selectorKey(service)} of ${selectorKey(peer)}`;
}
function peerName({ domid, name }: PeerConfig): string {
  return domid === undefined ? `domain '${name}'` : `domain ${domid}`;
}

function sentences<Item>(
  what: string,
  list: ListDiff<Item>,
  nameOf: (item: Item) => string,
): readonly string[] {
  return [
    ...list.added.map(item => `${what} ${nameOf(item)} added`),
    ...list.removed.map(item => `${what} ${nameOf(item)} removed`),
    ...list.changed.map(({ after }) => `${what} ${nameOf(after)} changed`),
  ];
}

export function describeChanges(diff: ConfigDiff): readonly string[] {
  return [
    ...sentences('export', diff.exports, exportName),
    ...sentences('import', diff.imports, importName),
    ...(diff.importsReordered ? ['imports reordered'] : []),
    ...sentences('peer', diff.peers, peerName),
    ...(diff.peerDiscoveryChanged ? ['peer discovery mode changed'] : []),
    ...diff.settings.map(key => `${key} changed`),
    ...diff.restart.map(
      key => `${key} changed in the file: takes effect when the daemon is restarted`,
    ),
  ];
}
