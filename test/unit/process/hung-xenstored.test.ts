/** A xenstored that takes requests and never answers: the daemon's start and end do not wait for it for ever. */
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { ControlClient } from '../../../daemon/control/client.js';
import { eventually } from '../../support/eventually.js';
import { proxiedDomain } from '../../support/proxied-domain.js';
import { startProgram, XSOCKD } from '../../support/run-program.js';
import { Testbed } from '../../support/testbed.js';

/** Domain 0 of a machine, with a way to xenstored that can be made to hang. */
async function domainWithProxy(t: Test, drain: string) {
  const testbed = await Testbed.start(t);
  const { directory, hang } = await proxiedDomain(t, testbed, 0);
  const config = testbed.path('xsock.yaml');
  writeFileSync(config, `drain-timeout: ${drain}\n`);
  const run = testbed.path('r');
  return {
    hang,
    start: () =>
      startProgram(t, XSOCKD, ['--config', config, '--run', run, '--loopback', directory]),
    serves: () => eventually(() => new ControlClient(run).status()),
  };
}

/** Less than xenstored has for an answer: it was not waited for. */
const SOON = 8_000;

t.test('SIGTERM while it runs: drain and two seconds, then it has ended', async t => {
  const { hang, start, serves } = await domainWithProxy(t, '1s');
  const daemon = start();
  await serves();
  hang();
  const from = performance.now();
  daemon.child.kill('SIGTERM');
  const { code, stderr } = await daemon.finished;
  t.equal(code, 0);
  t.match(stderr, /no longer waiting for xenstored/);
  t.ok(performance.now() - from < SOON);
});

t.test('a second signal: the drain is not waited for', async t => {
  const { hang, start, serves } = await domainWithProxy(t, '60s');
  const daemon = start();
  await serves();
  hang();
  const from = performance.now();
  daemon.child.kill('SIGTERM');
  daemon.child.kill('SIGINT');
  t.equal((await daemon.finished).code, 0);
  t.ok(performance.now() - from < SOON);
});

t.test('SIGTERM while it starts', async t => {
  const { hang, start } = await domainWithProxy(t, '0s');
  hang();
  const daemon = start();
  await new Promise<void>(resolve => {
    daemon.child.stderr.on('data', data => {
      if (String(data).includes('startup is slow')) resolve();
    });
  });
  const from = performance.now();
  daemon.child.kill('SIGTERM');
  t.equal((await daemon.finished).code, 0);
  t.ok(performance.now() - from < SOON);
});

t.test('a start: exit code 69, and a line that says why', async t => {
  const { hang, start } = await domainWithProxy(t, '1s');
  hang();
  const { code, stderr } = await start().finished;
  t.equal(code, 69);
  t.match(stderr, /xenstored has not answered a request within 10 s/);
});
