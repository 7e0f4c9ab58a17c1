/** Names of users and groups: how often the system is asked for them, and what if it does not answer. */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { parseConfig } from '../../../daemon/config/load.js';
import { type LookUp, resolveAccounts } from '../../../daemon/service/accounts.js';
import { lookUpAccounts } from '../../../daemon/service/getent.js';
import { pathWithGetent } from '../../support/fake-getent.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const never = new AbortController().signal;

function importsOf(...rules: readonly string[]) {
  const text = `imports:\n${rules.map(rule => `  - {${rule}}\n`).join('')}`;
  return parseConfig([{ path: 'x.yaml', text }]).imports;
}

function withGetent(t: Test, script: string): void {
  const before = process.env.PATH;
  process.env.PATH = pathWithGetent(temporaryDirectory(t), script);
  t.teardown(() => {
    process.env.PATH = before;
  });
}

t.test('every name is looked up once, however many rules have it', async t => {
  const asked: string[] = [];
  const lookUp: LookUp = async (database, names) => {
    asked.push(`${database}: ${names.join(' ')}`);
    return new Map(names.map(name => [name, name.length]));
  };
  const imports = importsOf(
    ...Array.from({ length: 500 }, (_, port) => `service: ${port + 1}, owner: web, group: staff`),
    'service: 501, owner: web, group: 7',
  );
  const accounts = await resolveAccounts(imports, { lookUp });
  t.same(asked.sort(), ['group: staff', 'passwd: web']);
  t.equal(accounts.size, 501);
  t.same([...accounts.values()][0], { uid: 3, gid: 5 });
  t.same([...accounts.values()][500], { uid: 3, gid: 7 });
});

t.test('nothing is looked up without names', async t => {
  const lookUp: LookUp = () => Promise.reject(new Error('asked'));
  const accounts = await resolveAccounts(importsOf('owner: 5', 'group: 0'), { lookUp });
  t.same(
    [...accounts.values()],
    [
      { uid: 5, gid: -1 },
      { uid: -1, gid: 0 },
    ],
  );
});

t.test('unknown accounts are named with their places, all of them', async t => {
  const imports = importsOf('owner: root', 'owner: nobody-here', 'group: none-here, owner: root');
  await t.rejects(resolveAccounts(imports), {
    code: 'CONFIG_INVALID',
    problems: [
      { line: 3, path: 'imports[1].owner', found: '"nobody-here"' },
      { line: 4, path: 'imports[2].group', found: '"none-here"' },
    ],
  });
});

t.test('names that exist among many that do not, in few processes', async t => {
  const names = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.split(':')[0] ?? '');
  const ids = await lookUpAccounts('passwd', ['no-such-1', ...names, 'no-such-2'], never);
  t.same([...ids.keys()].sort(), [...new Set(names)].sort());
  t.equal(ids.get('root'), 0);
});

t.test('a name that the database spells differently is found', async t => {
  withGetent(
    t,
    `[ "$*" = "-- passwd ADA" ] && { echo "ada:x:11:0::/:/bin/sh"; exit 0; }
     [ $# -gt 3 ] && { echo "ada:x:11:0::/:/bin/sh"; exit 2; }
     exit 2`,
  );
  const ids = await lookUpAccounts('passwd', ['ADA', 'bob'], never);
  t.same([...ids], [['ADA', 11]]);
});

t.test('a database that does not answer times out, with a remedy', async t => {
  withGetent(t, 'exec sleep 600');
  await t.rejects(lookUpAccounts('group', ['staff', 'wheel'], never, 50), {
    code: 'FILE_ACCESS',
    message:
      "getent group cannot be asked for 'staff' and 1 more: no answer in 0.05 s; a number as group needs no database",
  });
});

t.test('a caller can abort the wait', async t => {
  withGetent(t, 'exec sleep 600');
  const ending = new AbortController();
  const resolved = resolveAccounts(importsOf('owner: web'), { signal: ending.signal });
  ending.abort(new Error('enough'));
  await t.rejects(resolved, { message: 'enough' });
});

t.test('a broken getent is reported', async t => {
  withGetent(t, 'exit 3');
  await t.rejects(lookUpAccounts('passwd', ['web'], never), { code: 'FILE_ACCESS' });
});
