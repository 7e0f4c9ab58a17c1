/**
 * Several files as one: lists are appended in the order of the files, mappings are joined key by key.
 * What cannot be joined, set in two files, is a problem that names both places: no file silently wins.
 */

import type { Located, LocatedEntry, LocatedMap } from './located.js';
import { type ConfigProblem, formatSource } from './problems.js';

export function mergeDocuments(
  documents: readonly [LocatedMap, ...LocatedMap[]],
  problems: ConfigProblem[],
): LocatedMap {
  const [first, ...others] = documents;
  return others.reduce((merged, next) => mergeMaps(merged, next, problems), first);
}

function mergeMaps(first: LocatedMap, second: LocatedMap, problems: ConfigProblem[]): LocatedMap {
  const entries = new Map(first.entries);
  for (const [key, entry] of second.entries) {
    const earlier = entries.get(key);
    const merged = earlier === undefined ? entry : mergeEntries(earlier, entry, problems);
    entries.set(key, merged);
  }
  return { ...first, entries };
}

function mergeEntries(
  first: LocatedEntry,
  second: LocatedEntry,
  problems: ConfigProblem[],
): LocatedEntry {
  const joined = join(first.value, second.value, problems);
  if (joined !== undefined) return { key: first.key, value: joined };
  problems.push({
    ...second.key,
    found: `the key again (first at ${formatSource(first.key)}:${first.key.column})`,
    expected: 'it in one file only',
  });
  return first;
}

function join(first: Located, second: Located, problems: ConfigProblem[]): Located | undefined {
  if (first.kind === 'map' && second.kind === 'map') return mergeMaps(first, second, problems);
  if (first.kind === 'list' && second.kind === 'list') {
    return { ...first, items: [...first.items, ...second.items] };
  }
  return undefined;
}
