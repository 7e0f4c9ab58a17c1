/**
 * docs/protocol.md has every number of the C++ headers, as the first two cells of a table's row, and every
 * text with which a link ends for a fault.
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
