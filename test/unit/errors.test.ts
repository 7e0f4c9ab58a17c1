/** docs/errors.md lists exactly the error codes, each with what to do about it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { isXsockError, messageOf, XsockError } from '../../daemon/errors.js';

function source(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
}

t.test('the docs list exactly the codes', async t => {
  // The union exists only in the source: types are gone when this runs.
  const union =
    /^export type XsockErrorCode =$(.*?)';$/ms.exec(source('daemon/errors.ts'))?.[0] ?? '';
  const codes = [...union.matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(match => match[1]);
  t.ok(codes.length > 10, `${codes.length} codes found`);
  const sections = source('docs/errors.md').split(/^## /m).slice(1);
  t.strictSame(
    sections.map(section => section.slice(0, section.indexOf('\n'))),
    codes,
    'in the same order',
  );
  for (const section of sections) {
    const title = section.slice(0, section.indexOf('\n'));
    t.match(section, /^- Cause: ./m, `${title} has a cause`);
    t.match(section, /^- Remedy: ./m, `${title} has a remedy`);
  }
});

t.test('what can be asked of an error', async t => {
  const error = new XsockError('XENSTORE', 'no', { errno: 'ENOENT', subject: '/a' });
  t.ok(isXsockError(error));
  t.ok(isXsockError(error, 'XENSTORE', 'ENOENT'));
  t.notOk(isXsockError(error, 'XENSTORE', 'EACCES'));
  t.notOk(isXsockError(error, 'DATAPLANE'));
  t.notOk(isXsockError(new Error('no'), 'XENSTORE'));
  t.equal(messageOf(error), 'no');
  t.equal(messageOf('text'), 'text');
});
