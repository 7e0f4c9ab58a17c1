/** What crosses between TypeScript and C++ is the same on both sides: names, types and order. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { loadNative } from '../../../daemon/dataplane/native.js';
import { expandedTypes, normalized } from '../../support/typescript-types.js';

function source(file: string): string {
  return readFileSync(new URL(`../../../../daemon/${file}`, import.meta.url), 'utf8');
}

/** A member or alternative in a line: a difference is shown as such. */
function lines(type: string): readonly string[] {
  return type.split(/(?<=;) | (?=\| \{)/);
}

const types = expandedTypes(source('dataplane/boundary.ts'), source('ids.ts'));
const described = loadNative().describe();

t.same(Object.keys(described).sort(), ['DataplaneOptions', 'NativeDataplane', 'NativeVchan']);

for (const [name, type] of Object.entries(described)) {
  t.test(`${name}: as C++ describes it`, async t => {
    t.same(lines(types.of(name)), lines(normalized(type)));
  });
}

t.test('a difference is seen: of a name, a type, an order, an enumeration', async t => {
  const of = (text: string): string => expandedTypes(text, source('ids.ts')).of('Event');
  const right = of("type Why = 'a' | 'b';\ntype Event = { kind: 'x'; link: LinkId; why: Why };");
  t.equal(right, "{ kind: 'x'; link: number; why: 'a' | 'b' }");
  for (const wrong of [
    "type Why = 'a' | 'b';\ntype Event = { kind: 'x'; lane: LinkId; why: Why };",
    "type Why = 'a' | 'b';\ntype Event = { kind: 'x'; link: string; why: Why };",
    "type Why = 'a' | 'b';\ntype Event = { kind: 'x'; why: Why; link: LinkId };",
    "type Why = 'b' | 'a';\ntype Event = { kind: 'x'; link: LinkId; why: Why };",
    "type Why = 'a' | 'b';\ntype Event = { kind: 'x'; link: LinkId; why?: Why };",
  ]) {
    t.not(of(wrong), right);
  }
});
