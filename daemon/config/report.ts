/** Collects problems while the configuration is built, and gives access to the values that the schema accepted. */
import {
  describe,
  type Located,
  type LocatedMap,
  type LocatedScalar,
  type Place,
} from './located.js';
import type { ConfigProblem, ConfigWarning } from './problems.js';

export class Report {
  readonly problems: ConfigProblem[];
  readonly warnings: ConfigWarning[] = [];
  readonly #refused: ReadonlySet<Located>;

  constructor(problems: readonly ConfigProblem[], refused: ReadonlySet<Located>) {
    this.problems = [...problems];
    this.#refused = refused;
  }

  /** Reports an invalid value; `found` is the value as written. */
  wrong(node: Located, expected: string): void {
    this.problem(node.place, describe(node), expected);
  }

  problem(place: Place, found: string, expected: string): void {
    const { file, line, column, path } = place;
    this.problems.push({ file, line, column, path, found, expected });
  }

  warn(place: Place, message: string): void {
    const { file, line, column, path } = place;
    this.warnings.push({ file, line, column, path, message });
  }

  /** The scalar at `key`; undefined if there is none or the schema has refused it. */
  scalar(map: LocatedMap, key: string): LocatedScalar | undefined {
    const node = this.#accepted(map, key);
    return node?.kind === 'scalar' ? node : undefined;
  }

  /** The text at `key`; undefined as for `scalar`, and for other scalars. */
  text(map: LocatedMap, key: string): (LocatedScalar & { readonly value: string }) | undefined {
    const node = this.scalar(map, key);
    return typeof node?.value === 'string' ? { ...node, value: node.value } : undefined;
  }

  /** The mapping at `key`; an empty one in its place if there is none. */
  map(map: LocatedMap, key: string): LocatedMap {
    const node = this.#accepted(map, key);
    return node?.kind === 'map' ? node : { kind: 'map', entries: new Map(), place: map.place };
  }

  /** The items of the list at `key` that are mappings; undefined if there is no such list. */
  maps(map: LocatedMap, key: string): readonly LocatedMap[] | undefined {
    return this.#items(map, key)?.filter(item => item.kind === 'map');
  }

  /** The items of the list at `key` that are scalars; undefined if there is no such list. */
  scalars(map: LocatedMap, key: string): readonly LocatedScalar[] | undefined {
    return this.#items(map, key)?.filter(item => item.kind === 'scalar');
  }

  #items(map: LocatedMap, key: string): readonly Located[] | undefined {
    const node = this.#accepted(map, key);
    return node?.kind === 'list' ? node.items.filter(item => !this.#refused.has(item)) : undefined;
  }

  #accepted(map: LocatedMap, key: string): Located | undefined {
    const node = map.entries.get(key)?.value;
    return node === undefined || this.#refused.has(node) ? undefined : node;
  }
}
