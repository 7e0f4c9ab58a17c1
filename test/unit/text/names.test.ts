/** Names that become file names. */
import t from 'tap';
import { isDomainName, parseServiceName } from '../../../daemon/text/names.js';

const GOOD = ['xend', '.s.PGSQL.5432', 'a', 'A-b_c.9', '...', 'x'.repeat(64)];
const BAD = [
  ...['', '.', '..', 'port', 'a/b', '../x', '/etc/passwd', 'a b', 'a\0b', 'x'.repeat(65)],
  ...['\u001b[2Jx', 'ü', 'a\n', '~1'],
];

t.test('what may be a service', async t => {
  for (const name of GOOD) t.equal(parseServiceName(name), name);
  for (const name of BAD) {
    t.throws(() => parseServiceName(name), { code: 'SERVICE_NAME' }, JSON.stringify(name));
  }
});

t.test('a refusal shows the name escaped', async t => {
  t.throws(() => parseServiceName('\u001b]0;owned\u0007'), { message: /\\x1b\]0;owned\\x07/ });
});

t.test('what may be a domain name below by-name/', async t => {
  t.ok(isDomainName('web-1'));
  for (const name of ['', '.', '..', 'a/b', 'a\nb']) t.notOk(isDomainName(name));
});
