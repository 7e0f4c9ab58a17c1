/** The program `xsockd` as far as it gets without a hypervisor. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readVersion } from '../../../daemon/version.js';
import { runProgram, XSOCKD } from '../../support/run-program.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

t.test('version and help', async t => {
  t.match(await runProgram(t, XSOCKD, ['--version']), {
    code: 0,
    stdout: `xsockd ${readVersion()}\n`,
  });
  t.match(await runProgram(t, XSOCKD, ['--help']), { code: 0, stdout: /^usage: xsockd/ });
});

t.test('a wrong command line', async t => {
  const { code, stderr } = await runProgram(t, XSOCKD, ['--colour']);
  t.equal(code, 2);
  t.match(stderr, /^xsockd: .*--colour/);
  t.notMatch(stderr, /^ +at /m, 'no stack');
});

t.test('--check', async t => {
  const directory = temporaryDirectory(t);
  const good = join(directory, 'good.yaml');
  const bad = join(directory, 'bad.yaml');
  writeFileSync(good, 'run: /run/x\n');
  writeFileSync(bad, 'nonsense: 1\nexports: 7\n');
  t.match(await runProgram(t, XSOCKD, ['--check', '--config', good]), {
    code: 0,
    stdout: `${good}: no problems\n`,
  });
  const listed = await runProgram(t, XSOCKD, ['--check', '--config', bad]);
  t.equal(listed.code, 78);
  t.match(listed.stderr, `${bad}:1:1: `);
  t.match(listed.stderr, `${bad}:2:`);
  t.match(await runProgram(t, XSOCKD, ['--check', '--config', join(directory, 'none')]), {
    code: 78,
    stderr: /^xsockd: cannot read the configuration/,
  });
});
