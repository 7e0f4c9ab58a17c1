/** What fits in no place: found when the configuration is read, not when it is used. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { problemsOfAnnouncement } from '../../../daemon/broker/announcement.js';
import { parseConfig } from '../../../daemon/config/load.js';
import { checkConfiguration, loadConfiguration } from '../../../daemon/process/configuration.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

function fileWith(t: Test, text: string): string {
  const path = join(temporaryDirectory(t), 'x.yaml');
  writeFileSync(path, text);
  return path;
}

/** `count` exports with names of 62 characters: 65 bytes each in an announcement. */
function exportsFor(count: number, allow: (index: number) => string): string {
  const name = (index: number) => `${'n'.repeat(57)}${String(index).padStart(5, '0')}`;
  const items = Array.from(
    { length: count },
    (_, index) => `- {name: ${name(index)}, target: "unix:/a", allow: [${allow(index)}]}\n`,
  );
  return `exports:\n${items.join('')}`;
}

function tooMuch(count: number, allow: (index: number) => string) {
  return problemsOfAnnouncement(parseConfig([{ path: 'x.yaml', text: exportsFor(count, allow) }]));
}

t.test(
  'services that do not fit in one announcement are a problem, at the first too many',
  async t => {
    t.same(
      tooMuch(1008, () => 'any'),
      [],
    );
    t.match(
      tooMuch(1050, () => 'any'),
      [
        {
          file: 'x.yaml',
          line: 1010,
          path: 'exports[1008]',
          found: 'services that take 68251 bytes to announce to every peer',
          expected: /^65536 bytes at most/,
        },
      ],
    );
    await t.rejects(
      loadConfiguration(
        fileWith(
          t,
          exportsFor(1050, () => 'any'),
        ),
        {
          run: undefined,
          logLevel: undefined,
        },
      ),
      { code: 'CONFIG_INVALID', message: /x\.yaml:1010:3: exports\[1008\]: found services/ },
    );
  },
);

t.test('only what one peer may open counts for it', async t => {
  t.same(
    tooMuch(4000, index => String(index % 4)),
    [],
    '1000 for each of four',
  );
  t.match(
    tooMuch(1050, index => (index < 1040 ? 'web, 7' : 'any')),
    [{ found: /68251 bytes to announce to (name web|domid 7)/ }],
  );
  t.same(
    tooMuch(1050, index => (index < 800 ? '3' : '4')),
    [],
  );
});

t.test('sockets with paths too long: of a raw vchan a problem, of a service a warning', async t => {
  const long = 's'.repeat(60);
  const run = `/${'r'.repeat(60)}`;
  const file = fileWith(
    t,
    `imports: [{peer: 3, service: ${long}}, {peer: 3, service: short, vchan: data/x}]\n`,
  );
  const overrides = { run, logLevel: undefined };
  const { warnings } = await loadConfiguration(file, overrides);
  t.match(warnings, [
    { path: 'imports[0]', line: 1, message: /would have 124 bytes, at most 107/ },
  ]);
  t.same((await loadConfiguration(file, { ...overrides, run: '/run/x' })).warnings, []);
  const vchan = fileWith(t, `imports: [{peer: 3, service: ${long}, vchan: data/x}]\n`);
  await t.rejects(loadConfiguration(vchan, overrides), {
    code: 'CONFIG_INVALID',
    message: /imports\[0\]: found the socket .*\/vchan\/3\/s+ \(130 bytes\), expected 107 bytes/,
  });
});

t.test('the own socket of an export is checked, too', async t => {
  const name = 's'.repeat(60);
  const file = fileWith(t, `exports: [{name: ${name}, target: "tcp:127.0.0.1:80", self: true}]\n`);
  const overrides = { run: `/${'r'.repeat(60)}`, logLevel: undefined };
  const { warnings } = await loadConfiguration(file, overrides);
  t.match(warnings, [{ path: 'exports[0]', message: /would have 124 bytes/ }]);
});

t.test('a file where the socket of a raw vchan is to be is found by a check', async t => {
  const run = temporaryDirectory(t);
  const file = fileWith(t, 'imports: [{peer: 3, service: x, vchan: data/x}]\n');
  const overrides = { run, logLevel: undefined };
  t.ok(await checkConfiguration(file, overrides, undefined));
  mkdirSync(join(run, 'vchan/3'), { recursive: true });
  writeFileSync(join(run, 'vchan/3/x'), '');
  await t.rejects(checkConfiguration(file, overrides, undefined), {
    code: 'CONFIG_INVALID',
    message: /1:11: imports\[0\]: found .*\/vchan\/3\/x, which is not a socket, expected nothing/,
  });
  rmSync(join(run, 'vchan'), { recursive: true });
  writeFileSync(join(run, 'vchan'), '');
  await t.rejects(checkConfiguration(file, overrides, undefined), {
    message: /vchan\/3\/x, below what is not a directory/,
  });
});

t.test('accounts that this system does not have are found by a check', async t => {
  const file = fileWith(t, 'imports: [{group: no-such-group}]\n');
  const overrides = { run: undefined, logLevel: undefined };
  t.ok(await loadConfiguration(file, overrides));
  await t.rejects(checkConfiguration(file, overrides, undefined), {
    message: /x\.yaml:1:11: imports\[0\]\.group: found "no-such-group"/,
  });
});
