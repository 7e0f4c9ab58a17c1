/** docs/protocol.md has every number of the C++ headers, as the first two cells of a table's row. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
