/**
 * The published JSON Schema applied to located values. The schema's own `errorMessage` texts (editors
 * show them as well) say what was expected, so that there is one wording for both.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020, type AnySchemaObject, type ErrorObject } from 'ajv/dist/2020.js';
import { escapeForDisplay } from '../text/escape.js';
import { describe, keyPath, type Located, type LocatedMap, toPlain } from './located.js';
import { nearest } from './nearest.js';
import type { ConfigProblem } from './problems.js';

/** Where the schema is, in the sources as in an installed package. */
export const SCHEMA_URL = new URL('../../../config/xsock.schema.json', import.meta.url);

/** Unknown keys for which a suggestion is computed: that takes long for thousands. */
const GUESSES_MAX = 100;

export interface SchemaFaults {
  readonly problems: readonly ConfigProblem[];
  /** The rejected values, so that they are not checked again. */
  readonly refused: ReadonlySet<Located>;
}

export type SchemaCheck = (root: LocatedMap) => SchemaFaults;

/** Reads and compiles the schema (tens of milliseconds: keep the result). */
export function compileSchema(): SchemaCheck {
  const ajv = new Ajv2020({ allErrors: true, strict: true, verbose: true, allowUnionTypes: true });
  ajv.addKeyword('errorMessage');
  const validate = ajv.compile(JSON.parse(readFileSync(SCHEMA_URL, 'utf8')) as AnySchemaObject);
  return root => {
    validate(toPlain(root));
    const problems: ConfigProblem[] = [];
    const refused = new Set<Located>();
    let guesses = GUESSES_MAX;
    for (const error of validate.errors ?? []) {
      // The branches of an anyOf say less than the anyOf itself.
      if (error.schemaPath.includes('/anyOf/')) continue;
      const node = locate(root, error.instancePath);
      const problem = structureProblem(error, node, guesses > 0);
      if (error.keyword === 'additionalProperties') guesses -= 1;
      if (problem !== undefined) problems.push(problem);
      else if (!refused.has(node)) {
        // One problem per value, however many keywords it violates.
        refused.add(node);
        problems.push({ ...node.place, found: describe(node), expected: expectation(error) });
      }
    }
    return { problems, refused };
  };
}

/** A problem with the keys of a mapping, not with the mapping as such. */
function structureProblem(
  error: ErrorObject,
  node: Located,
  guess: boolean,
): ConfigProblem | undefined {
  const { params, parentSchema } = error;
  const properties: Readonly<Record<string, AnySchemaObject>> = parentSchema?.properties ?? {};
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params.additionalProperty);
      const known = Object.keys(properties);
      const meant = guess ? nearest(key, known) : undefined;
      const place = (node.kind === 'map' ? node.entries.get(key)?.key : undefined) ?? node.place;
      return {
        ...place,
        found: `the unknown key "${escapeForDisplay(key, 64)}"`,
        expected: meant === undefined ? `one of ${known.join(', ')}` : `"${meant}"`,
      };
    }
    case 'required': {
      const key = String(params.missingProperty);
      const expected = String(properties[key]?.errorMessage ?? 'a value');
      return { ...node.place, path: keyPath(node.place.path, key), found: 'nothing', expected };
    }
    case 'anyOf': {
      const branches: readonly { required: readonly string[] }[] = parentSchema?.anyOf ?? [];
      const keys = branches.flatMap(branch => branch.required);
      const found = `none of ${keys.join(', ')}`;
      return { ...node.place, found, expected: 'at least one of them' };
    }
    default:
      return undefined;
  }
}

function expectation(error: ErrorObject): string {
  if (error.keyword === 'maxItems') return `at most ${error.params.limit} entries`;
  return String(error.parentSchema?.errorMessage ?? error.message);
}

/** The value at a JSON pointer, which always leads somewhere: it was made from the same tree. */
function locate(root: Located, pointer: string): Located {
  let node = root;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const next = node.kind === 'map' ? node.entries.get(key)?.value : undefined;
    const item = node.kind === 'list' ? node.items[Number(key)] : undefined;
    node = next ?? item ?? node;
  }
  return node;
}
