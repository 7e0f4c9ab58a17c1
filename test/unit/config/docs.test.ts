/** The reference, the schema and the example file say the same. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadConfig } from '../../../daemon/config/load.js';

const file = (path: string): string =>
  fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly default?: unknown;
}

const root = JSON.parse(readFileSync(file('config/xsock.schema.json'), 'utf8')) as Schema;
const text = readFileSync(file('docs/configuration.md'), 'utf8');

function resolve(schema: Schema): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : { ...root.$defs?.[name], ...schema, $ref: '' };
}

/** Every setting: a key without keys of its own, or a list. */
function settings(schema: Schema, prefix = ''): { key: string; default: unknown }[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    const inner = resolve(value);
    const key = `${prefix}${name}`;
    const items = inner.items === undefined ? [] : settings(resolve(inner.items), `${key}[].`);
    const below = settings(inner, `${key}.`);
    return below.length > 0 ? below : [{ key, default: inner.default }, ...items];
  });
}

t.test('every key of the schema is in the reference, with its default', async t => {
  const found = settings(root);
  t.ok(found.length > 20);
  for (const { key, default: value } of found) {
    const row = text.split('\n').find(line => line.startsWith(`| \`${key}\` |`));
    if (!t.ok(row, key) || value === undefined || key === 'imports[].peer') continue;
    const shown = Array.isArray(value) ? '[]' : String(value);
    t.ok(row?.includes(shown), `${key}: ${shown}`);
  }
});

t.test('the reference has no key that the schema does not know', async t => {
  const known = new Set(settings(root).map(({ key }) => key));
  for (const [, key = ''] of text.matchAll(/^\| `([a-z[\]. -]+)` \|/gm)) {
    t.ok(known.has(key), key);
  }
});

t.test('the example file has no problem', async t => {
  const config = await loadConfig(file('config/xsock.yaml'));
  t.same(config.warnings, []);
  t.equal(config.exports.length, 1);
});
