/** The command `xsock`, as a process, against a real control server with a fake daemon behind it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { LastReload } from '../../../daemon/control/model.js';
import { serveControl } from '../../../daemon/control/server.js';
import { XsockError } from '../../../daemon/errors.js';
import { readVersion } from '../../../daemon/version.js';
import { FakeControlModel, HOSTILE_NAME } from '../../support/fake-control-model.js';
import { runProgram, startProgram, XSOCK } from '../../support/run-program.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

async function serve(t: Test) {
  const run = temporaryDirectory(t);
  const model = new FakeControlModel();
  const server = await serveControl(run, model, () => ({
    uid: process.getuid?.() ?? 0,
    groups: { reader: undefined, admin: undefined },
  }));
  t.teardown(() => server.close());
  const xsock = (...args: string[]) => runProgram(t, XSOCK, ['--run', run, ...args]);
  return { run, model, xsock };
}

/** What a terminal would act upon; a line break is fine between lines. */
function actsOnTerminal(text: string): boolean {
  return /[\p{Cc}\p{Cf}]/u.test(text.replaceAll('\n', ''));
}

t.test('status', async t => {
  const { xsock, model } = await serve(t);
  const { code, stdout, stderr } = await xsock('status');
  t.equal(code, 0);
  t.equal(stderr, '');
  t.match(stdout, 'xsockd 9.8.7, pid 4321, up 1 h 2 min');
  t.match(stdout, /^1 +web +up +.* 45 us +1 +1 +1\.5 KiB +5\.0 MiB +-$/m);
  t.match(stdout, /^2 +evil\\x1b\[2J.* down .*corrupt: frame of 70000 bytes$/m);
  t.match(stdout, /^PROBLEM +1 socket\(s\) could not be created, retrying: 'xsock ls' says why$/m);
  t.match(stdout, /^last refusal: refused domain 2 'evil\\x1b.*', denied, \d+ d/m);
  t.notOk(actsOnTerminal(stdout));
  const json = await xsock('status', '--json');
  t.strictSame(JSON.parse(json.stdout), await model.status());
});

t.test('status shows the last reload', async t => {
  const { xsock, model } = await serve(t);
  const status = await model.status();
  const tell = (lastReload: LastReload) => {
    model.status = async () => ({ ...status, lastReload });
    return xsock('status');
  };
  const done = await tell({ at: Date.now(), ok: true, error: null });
  t.match(done.stdout, /^reload {4}done \d+ s ago$/m);
  const error = ['12 problems in the configuration:', ...Array(12).fill('\x1b[2J:1:1')].join('\n');
  const failed = await tell({ at: Date.now() - 60_000, ok: false, error });
  t.match(
    failed.stdout,
    /^RELOAD {4}failed \d+ min \d+ s ago, keeping the current configuration:\n {10}12 problems/m,
  );
  t.match(failed.stdout, /^ {10}\('xsock check' lists all\)$/m);
  t.notOk(actsOnTerminal(failed.stdout));
});

t.test('ls', async t => {
  const { xsock, model } = await serve(t);
  const all = await xsock('ls');
  t.equal(all.code, 0);
  t.match(
    all.stdout,
    /^0 +Domain-0 +xend +8005 +exported +to unix:\/var\/run\/xend\.sock, for 1, web$/m,
  );
  t.match(all.stdout, /^1 +web +http +- +imported +\/run\/xsock\/1\/http$/m);
  t.match(all.stdout, /not imported; PROBLEM: \/run\/xsock\/2\/port\/22 is taken$/m);
  t.notOk(actsOnTerminal(all.stdout));

  const one = await xsock('ls', 'web', '--json');
  t.strictSame(
    JSON.parse(one.stdout),
    (await model.services()).filter(service => service.domid === 1),
  );
  t.match(await xsock('ls', '7'), { code: 0, stdout: 'no services\n' });
  t.match(await xsock('ls', 'nobody'), { code: 1, stderr: /knows no domain 'nobody'/ });
  t.match(await xsock('ls', HOSTILE_NAME), { code: 0, stdout: /port\/22/ });
});

t.test('ls shows names in allow-lists that no domain has', async t => {
  const { xsock, model } = await serve(t);
  const [first, ...others] = await model.services();
  if (first?.direction !== 'exported') throw new Error('another service than expected');
  model.services = async () => [{ ...first, absent: ['web'] }, ...others];
  t.match((await xsock('ls')).stdout, /for 1, web; no peer is called web now$/m);
});

t.test('streams', async t => {
  const { xsock, model } = await serve(t);
  const { stdout } = await xsock('streams');
  t.match(stdout, /^1 +web +5 +outgoing +http +open +10 B +2\.0 KiB +0 B +1 min 5 s$/m);
  t.strictSame(JSON.parse((await xsock('streams', '--json')).stdout), await model.streams());
});

t.test('reset', async t => {
  const { xsock, model } = await serve(t);
  t.match(await xsock('reset', 'web', '5'), {
    code: 0,
    stdout: 'stream 5 with domain 1 was reset\n',
  });
  t.match(await xsock('reset', '1', '6'), {
    code: 1,
    stderr: 'xsock: there is no stream 6 with domain 1\n',
  });
  t.match(await xsock('reset', '1', 'x'), { code: 2 });
  t.strictSame(model.resets, [
    [1, 5],
    [1, 6],
  ]);
});

t.test('reload', async t => {
  const { xsock, model } = await serve(t);
  t.match(await xsock('reload'), { code: 0, stdout: 'nothing changed\n', stderr: '' });
  model.onReload = async () => ({ changes: ['exports: 1 added'], warnings: ['a:1:1: odd'] });
  t.match(await xsock('reload'), {
    code: 0,
    stdout: 'exports: 1 added\n',
    stderr: 'xsock: a:1:1: odd\n',
  });
  model.onReload = async () => {
    throw new XsockError('CONFIG_INVALID', '2 problems in the configuration:\nfirst\nsecond');
  };
  t.match(await xsock('reload'), {
    code: 1,
    stderr: 'xsock: 2 problems in the configuration:\nfirst\nsecond\n',
  });
});

t.test('check', async t => {
  const directory = temporaryDirectory(t);
  const good = join(directory, 'good.yaml');
  const bad = join(directory, 'bad.yaml');
  writeFileSync(good, 'run: /run/x\n');
  writeFileSync(bad, 'nonsense: 1\nexports: 7\n');
  t.match(await runProgram(t, XSOCK, ['check', good]), {
    code: 0,
    stdout: `${good}: no problems\n`,
  });
  const listed = await runProgram(t, XSOCK, ['check', bad]);
  t.equal(listed.code, 1);
  t.equal(listed.stdout.trimEnd().split('\n').length, 2, 'both problems, one a line');
  t.ok(listed.stdout.startsWith(`${bad}:1:1: `));
  const json = await runProgram(t, XSOCK, ['check', '--json', bad]);
  t.equal(json.code, 1);
  t.match(JSON.parse(json.stdout), { ok: false, problems: [{ line: 1 }, { line: 2 }] });
  t.match(await runProgram(t, XSOCK, ['check', join(directory, 'none')]), {
    code: 1,
    stdout: '',
    stderr: /^xsock: cannot read the configuration/,
  });
});

t.test('check finds what a reload would refuse, in the file of the daemon that runs', async t => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'its.yaml');
  const { run, model } = await serve(t);
  const status = { ...(await model.status()), config: file, domid: 3 };
  model.status = async () => status;
  const path = '/local/domain/4/data/vchan/x';
  writeFileSync(
    file,
    `imports: [{owner: no-such-user}]
exports: [{port: 1, target: "unix:/a", vchan: [{peer: 0, path: ${path}}]}]
`,
  );
  const { code, stdout, stderr } = await runProgram(t, XSOCK, ['--run', run, 'check']);
  t.equal(code, 1);
  t.equal(stderr, '');
  t.match(stdout, `${file}:1:11: imports[0].owner: found "no-such-user", expected a user of`);
  t.match(stdout, `${file}:2:64: exports[0].vchan[0].path: found "${path}", expected`);
  t.match(stdout, 'this is domain 3');
  const alone = await runProgram(t, XSOCK, ['check', '--json', file]);
  t.match(JSON.parse(alone.stdout), { ok: false, config: file });
  t.notMatch(alone.stdout, path, 'whose domain it is for is not known');
});

t.test('check warns of names that no domain has, as far as the daemon knows', async t => {
  const { run, model } = await serve(t);
  const status = { ...(await model.status()), config: join(run, 'its.yaml') };
  writeFileSync(
    status.config,
    'exports: [{port: 1, target: "unix:/a", allow: [web, app]}]\nimports: [{peer: Domain-0}, {peer: db}]\n',
  );
  const warningsIn = async (domid: number): Promise<readonly string[]> => {
    model.status = async () => ({ ...status, domid });
    // Named, it is still the daemon's.
    const { stdout } = await runProgram(t, XSOCK, ['--run', run, 'check', status.config]);
    return stdout.split('\n').slice(0, -2);
  };
  t.match(await warningsIn(0), [
    /its\.yaml:1:53: exports\[0\]\.allow\[1\]: warning: "app" matches nobody now: no domain/,
    /its\.yaml:2:29: imports\[1\]: warning: "db" matches nobody now: no domain/,
  ]);
  t.match(await warningsIn(3), [
    /"app" matches nobody: domain 3 cannot look up names; use its domid, .* directory\.trust here/,
    /"db" matches nobody: domain 3 cannot look up names/,
  ]);
});

t.test('check without a daemon says which file it reads', async t => {
  const run = temporaryDirectory(t);
  const { stderr } = await runProgram(t, XSOCK, ['--run', run, 'check']);
  t.match(
    stderr,
    `xsock: no daemon in ${run} says which configuration it has: checking /etc/xsock/xsock.yaml\n`,
  );
});

t.test('version and help', async t => {
  const version = `xsock ${readVersion()}\n`;
  t.match(await runProgram(t, XSOCK, ['version']), { code: 0, stdout: version });
  t.match(await runProgram(t, XSOCK, ['--version']), { code: 0, stdout: version });
  t.match(await runProgram(t, XSOCK, ['help']), { code: 0, stdout: /^usage: xsock/ });
  t.match(await runProgram(t, XSOCK, ['help', 'cat']), { code: 0, stdout: /^usage: xsock cat </ });
  t.match(await runProgram(t, XSOCK, ['cat', '--help']), {
    code: 0,
    stdout: /^usage: xsock cat </,
  });
});

t.test('wrong command lines of loopback, in one line each', async t => {
  for (const [argv, message] of [
    [['run', '--dri', 'd'], "unknown option '--dri': did you mean '--dir'?"],
    [['rnu'], "there is no 'xsock loopback rnu': did you mean 'run'?"],
  ] as const) {
    const { code, stderr } = await runProgram(t, XSOCK, ['loopback', ...argv]);
    t.equal(code, 2);
    t.match(stderr, `xsock: ${message}`);
    t.equal(stderr.split('\n').length, 2, 'one line');
  }
});

t.test('a directory that is too long for a loopback machine', async t => {
  const dir = join(temporaryDirectory(t), 'd'.repeat(90));
  const { code, stderr } = await runProgram(t, XSOCK, ['loopback', 'run', '--dir', dir]);
  t.equal(code, 1);
  t.equal(
    stderr,
    `xsock: '${dir}/domains/0/xenstored' has ${dir.length + 20} bytes; a UNIX socket path has at most 107: use a shorter --dir\n`,
  );
});

t.test('no daemon', async t => {
  const run = temporaryDirectory(t);
  const { code, stderr, stdout } = await runProgram(t, XSOCK, ['status'], { XSOCK_RUN: run });
  t.equal(code, 1);
  t.equal(stdout, '');
  t.match(stderr, `nobody answers at '${run}/control'`);
  t.match(stderr, 'is xsockd running');
  t.notMatch(stderr, /\n.*\n/, 'no stack');
});

t.test('a reader that has seen enough is no error', async t => {
  const { run } = await serve(t);
  const { child, finished } = startProgram(t, XSOCK, ['--run', run, 'status', '--json']);
  child.stdout.destroy();
  t.match(await finished, { code: 0, stderr: '' });
});
