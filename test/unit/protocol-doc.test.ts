/**
 * docs/protocol.md has every number of the C++ headers, as the first two cells of a table's row, and every
 * text with which a link ends for a fault. Its diagrams have every transition of a stream.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { MAX_SERVICES_MESSAGE } from '../../daemon/link/services-message.js';

const file = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

t.test('the tables are what the compiler says', async t => {
  const printed = execFileSync(file('test/native/build/plain/abi_test'), ['--print'], {
    encoding: 'utf8',
  });
  const rows = new Map<string, string>();
  for (const line of readFileSync(file('docs/protocol.md'), 'utf8').split('\n')) {
    const match = /^\| `([^`]+)` \| (\d+) \|/.exec(line);
    if (match !== null) rows.set(match[1] ?? '', match[2] ?? '');
  }
  const numbers = printed.trim().split('\n');
  t.ok(numbers.length > 60, 'the program tells its numbers');
  for (const line of numbers) {
    const [, name = '', value] = /^(.*) (\d+)$/.exec(line) ?? [];
    t.equal(rows.get(name), value, name);
    rows.delete(name);
  }
  t.same([...rows.keys()], [], 'no row without a constant behind it');
  t.match(printed, `kMaxServicesMessage ${MAX_SERVICES_MESSAGE}`);
});

t.test('the diagrams show the transitions of a stream, and no others', async t => {
  const printed = execFileSync(file('test/native/build/plain/stream_state_test'), ['--print'], {
    encoding: 'utf8',
  });
  const shown: string[] = [];
  const doc = readFileSync(file('docs/protocol.md'), 'utf8');
  for (const [, diagram = ''] of doc.matchAll(/```mermaid\nstateDiagram-v2\n([^`]*)```/g)) {
    const part = /state "(\w+)"/.exec(diagram)?.[1] ?? '';
    for (const [, from, to, events = ''] of diagram.matchAll(/^ +(\w+) --> (\w+) : (.*)$/gm)) {
      for (const event of events.split(', ')) shown.push(`${part} ${from} ${event} ${to}`);
    }
  }
  const transitions = printed.trim().split('\n');
  t.ok(transitions.length > 30, 'the program tells its transitions');
  t.same(shown.sort(), transitions.sort());
});

t.test('every fault of a peer has its text in the table', async t => {
  const protocol = readFileSync(file('docs/protocol.md'), 'utf8');
  let texts = 0;
  for (const source of readdirSync(file('addon/link')).filter(name => name.endsWith('.cc'))) {
    const code = readFileSync(file(`addon/link/${source}`), 'utf8');
    // The whole statement: its text may be put together from several literals.
    for (const [statement] of code.matchAll(/\bcorrupt\([^;]*"[^;]*;/g)) {
      for (const [, literal = ''] of statement.matchAll(/"([^"]*)"/g)) {
        t.ok(protocol.includes(literal.trim()), `${source}: ${literal}`);
        texts += 1;
      }
    }
  }
  t.ok(texts > 20, 'the sources have such texts');
});
