/** Which announced services appear with which rights, and how users and groups become numbers. */
import t from 'tap';
import type { ImportConfig } from '../../../daemon/config/config.js';
import type { DomId } from '../../../daemon/ids.js';
import { resolveAccounts } from '../../../daemon/service/accounts.js';
import { selectServices } from '../../../daemon/service/imports.js';
import { parseServiceName } from '../../../daemon/text/names.js';

const PEER = { domid: 5 as DomId, name: 'web' };

function rule(given: Partial<ImportConfig>): ImportConfig {
  return {
    peer: { kind: 'any' },
    service: { kind: 'any' },
    owner: undefined,
    group: undefined,
    mode: 0o660,
    tcp: undefined,
    vchan: undefined,
    source: { file: 'x.yaml', line: 3, column: 5 },
    ...given,
  };
}

t.test('the first rule that matches gives the rights', async t => {
  const db = parseServiceName('db');
  const imports = [
    rule({ service: { kind: 'name', name: db }, owner: 'root', group: 0, mode: 0o600 }),
    rule({ peer: { kind: 'name', name: 'web' } }),
  ];
  const accounts = await resolveAccounts(imports);
  const announced = [
    { name: 'db', port: 1 },
    { name: undefined, port: 2 },
  ];
  t.same(selectServices(imports, accounts, PEER, announced), [
    { name: 'db', port: 1, uid: 0, gid: 0, mode: 0o600, tcp: undefined },
    { name: undefined, port: 2, uid: -1, gid: -1, mode: 0o660, tcp: undefined },
  ]);
  const stranger = { domid: 6 as DomId, name: undefined };
  t.same(
    selectServices(imports, accounts, stranger, announced).map(({ name }) => name),
    ['db'],
  );
});

t.test('every unknown user and group is told with its place', async t => {
  await t.rejects(resolveAccounts([rule({ owner: 'no-such-user', group: '-x' }), rule({})]), {
    code: 'CONFIG_INVALID',
    problems: [
      { path: 'imports[0].owner', file: 'x.yaml', line: 3, expected: 'a user of this system' },
      { path: 'imports[0].group', found: '"-x"', expected: 'a group of this system' },
    ],
  });
});
