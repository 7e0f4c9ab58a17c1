/** What a configuration's differences mean: for the daemon's parts, and as text for people. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { ExportConfig, ImportConfig, PeerConfig } from '../config/config.js';
import type { ConfigDiff, ListDiff } from '../config/diff.js';
import { selectorKey } from '../config/selectors.js';
import type { Settings } from './context.js';

/** The parts that a reload has to touch. */
export interface Concerned {
  readonly exports: boolean;
  readonly imports: boolean;
  /** Which domains are peers, and where their names come from. */
  readonly roster: boolean;
  /** Who may read the directory. */
  readonly directory: boolean;
  readonly limits: boolean;
  readonly logLevel: boolean;
}

/** What is not in `diff` are the accounts: the system may give a name of an import rule another number. */
export function concernedBy(diff: ConfigDiff, before: Settings, after: Settings): Concerned {
  const { exports, imports, importsReordered, peers, peersReordered, settings } = diff;
  return {
    exports: isChanged(exports),
    imports: isChanged(imports) || importsReordered || !sameAccounts(before, after),
    roster:
      isChanged(peers) ||
      peersReordered ||
      diff.peerDiscoveryChanged ||
      settings.includes('directory.trust'),
    directory: settings.includes('directory.publish'),
    limits: settings.some(key => key.startsWith('limits.')),
    logLevel: settings.includes('log.level'),
  };
}

function isChanged({ added, removed, changed }: ListDiff<unknown>): boolean {
  return added.length + removed.length + changed.length > 0;
}

function sameAccounts(before: Settings, after: Settings): boolean {
  const accountsOf = ({ config, accounts }: Settings) =>
    config.imports.map(rule => accounts.get(rule));
  return isDeepStrictEqual(accountsOf(before), accountsOf(after));
}

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
    ...(diff.peersReordered ? ['peers reordered'] : []),
    ...(diff.peerDiscoveryChanged ? ['peer discovery mode changed'] : []),
    ...diff.settings.map(key => `${key} changed`),
    ...diff.restart.map(
      key => `${key} changed in the file: takes effect when the daemon is restarted`,
    ),
  ];
}
