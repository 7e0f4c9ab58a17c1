/** YAML values with their positions. Plain data: parsing is in document.ts. */
import { escapeForDisplay } from '../text/escape.js';
import type { SourcePosition } from './position.js';

/** A position and the path of the key there, counted in its own file: `exports[0].target`. */
export interface Place extends SourcePosition {
  readonly path: string;
}

export interface LocatedScalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** As written, e.g. `0660` for the number 660; empty where nothing is written. */
  readonly text: string;
  readonly place: Place;
}

export interface LocatedEntry {
  readonly key: Place;
  readonly value: Located;
}

export interface LocatedMap {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, LocatedEntry>;
  readonly place: Place;
}

export interface LocatedList {
  readonly kind: 'list';
  readonly items: readonly Located[];
  readonly place: Place;
}

export type Located = LocatedScalar | LocatedMap | LocatedList;

/** The path of the whole file. */
export const DOCUMENT_PATH = '(document)';

/** The path of a key in the mapping at `parent`. */
export function keyPath(parent: string, key: string): string {
  const shown = escapeForDisplay(key, 64);
  return parent === DOCUMENT_PATH ? shown : `${parent}.${shown}`;
}

/** The same as JavaScript values, for the schema; without prototypes, since keys may have any name. */
export function toPlain(node: Located): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(toPlain);
    case 'map': {
      const plain: Record<string, unknown> = Object.create(null);
      for (const [key, entry] of node.entries) plain[key] = toPlain(entry.value);
      return plain;
    }
  }
}

/** Describes the value: `"text"`, `8005`, `a list`, `nothing`. Escaped and bounded. */
export function describe(node: Located): string {
  switch (node.kind) {
    case 'map':
      return node.entries.size === 0 ? 'an empty mapping' : 'a mapping';
    case 'list':
      return node.items.length === 0 ? 'an empty list' : 'a list';
    case 'scalar':
      if (typeof node.value === 'string') return `"${escapeForDisplay(node.value)}"`;
      return node.text === '' ? 'nothing' : escapeForDisplay(node.text);
  }
}
