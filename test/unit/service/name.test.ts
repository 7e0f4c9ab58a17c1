/** Names that become file names, and text that others chose as it is shown. */
import fc from 'fast-check';
import t from 'tap';
import { escapeForDisplay, isDomainName, parseServiceName } from '../../../daemon/service/name.js';

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

t.test('what is shown is printable ASCII, bounded, and tells apart what differs', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const shown = escapeForDisplay(text, 40);
      return /^[ -~]*$/.test(shown) && shown.length <= 40;
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      const same = escapeForDisplay(a, 100_000) === escapeForDisplay(b, 100_000);
      return same === (a === b);
    }),
  );
});
