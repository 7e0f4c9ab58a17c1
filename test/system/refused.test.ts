/**
 * What real programs say when the target of a service is down. The kernel shows ECONNRESET to a program that has
 * sent something when its stream is refused, and EPIPE to one that sends something afterwards.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { findProgram, installed } from '../support/installed.js';
import { socketOf, Testbed } from '../support/testbed.js';

const CLIENT = fileURLToPath(new URL('../../../daemon/cli/demo/xmlrpc_client.py', import.meta.url));
const ATTEMPTS = 10;

async function targetDown(t: Test): Promise<string> {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  const [low] = await Promise.all([
    testbed.daemon(0),
    testbed.daemon(
      3,
      `exports: [{name: svc, target: "unix:${testbed.path('nobody')}", allow: [0]}]\n`,
    ),
  ]);
  return socketOf(low, 3, 'svc');
}

interface Outcome {
  readonly code: number | string | null | undefined;
  readonly said: string;
}

function outcome(program: string, args: readonly string[]): Promise<Outcome> {
  return new Promise(resolve => {
    execFile(findProgram(program) ?? program, [...args], (error, stdout, stderr) =>
      resolve({ code: error?.signal ?? error?.code ?? 0, said: stdout + stderr }),
    );
  });
}

t.test("Python's XML-RPC client", { skip: installed('python3') }, async t => {
  const path = await targetDown(t);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { code, said } = await outcome('python3', [CLIENT, path, 'nobody']);
    t.equal(code, 1);
    t.match(said, /^(ConnectionResetError|BrokenPipeError): /m);
    t.notMatch(said, /RemoteDisconnected|BadStatusLine/);
  }
});

t.test('curl', { skip: installed('curl') }, async t => {
  const path = await targetDown(t);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { code, said } = await outcome('curl', ['-sS', '--unix-socket', path, 'http://x/']);
    // CURLE_SEND_ERROR, CURLE_RECV_ERROR; not "empty reply from server".
    t.ok(code === 55 || code === 56, `${code}: ${said}`);
  }
});

t.test('redis-cli', { skip: installed('redis-cli') }, async t => {
  const path = await targetDown(t);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { code, said } = await outcome('redis-cli', ['-s', path, 'ping']);
    t.equal(code, 1, said);
    t.match(said, /Connection reset by peer/);
  }
});
