/** `xsock cat` as a process, with small servers in the place of the daemon's sockets. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { serveControl } from '../../../daemon/control/server.js';
import { monotonicNow } from '../../../daemon/monotonic.js';
import { FakeControlModel } from '../../support/fake-control-model.js';
import { runProgram, startProgram, XSOCK } from '../../support/run-program.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

/** A service of a daemon that knows how its streams end, at `<run>/0/svc`. */
async function serve(
  t: Test,
  onConnection: (socket: Socket) => void,
  model = new FakeControlModel(),
): Promise<string> {
  const run = temporaryDirectory(t);
  mkdirSync(join(run, '0'));
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, socket => {
    open.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(join(run, '0', 'svc'));
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const control = await serveControl(run, model, () => ({
    uid: process.getuid?.() ?? 0,
    groups: { reader: undefined, admin: undefined },
  }));
  t.teardown(() => control.close());
  return run;
}

t.test('the end of input is a half-close: the answer still comes', async t => {
  const run = await serve(t, socket => {
    let heard = '';
    socket.on('data', chunk => {
      heard += chunk.toString();
    });
    socket.on('end', () => socket.end(`heard ${heard}`));
  });
  const { child, finished } = startProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']);
  child.stdin.end('hello');
  t.match(await finished, { code: 0, stdout: 'heard hello', stderr: '' });
});

t.test('it ends with the service, though input is still open', async t => {
  const run = await serve(t, socket => socket.end('bye'));
  const { finished } = startProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']);
  t.match(await finished, { code: 0, stdout: 'bye', stderr: '' });
});

t.test('8 MiB of any bytes there and back, with both sides slower than the pipe', async t => {
  const run = await serve(t, socket => socket.pipe(socket));
  const sent = randomBytes(8 * 1024 * 1024);
  const { child } = startProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']);
  const hash = createHash('sha256');
  let length = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    length += chunk.length;
  });
  child.stdin.end(sent);
  const [code] = await once(child, 'close');
  t.equal(code, 0);
  t.equal(length, sent.length);
  t.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'));
});

t.test('a reader that goes away ends it quietly', async t => {
  const run = await serve(t, socket => {
    const more = (): void => {
      while (socket.writable && socket.write(Buffer.alloc(65_536)));
    };
    socket.on('drain', more);
    more();
  });
  const { child, finished } = startProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  t.match(await finished, { code: 0, stderr: '' });
});

t.test('a connection that breaks is a failure', async t => {
  // Closing with unread input makes the kernel reset a UNIX connection.
  const run = await serve(t, socket => {
    socket.pause();
    socket.once('readable', () => socket.destroy());
  });
  const { child, finished } = startProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']);
  child.stdin.write(Buffer.alloc(512 * 1024));
  t.match(await finished, {
    code: 1,
    stdout: '',
    stderr: /^xsock: the connection broke: .*svc.*\n$/,
  });
});

t.test('a stream that was reset is a failure, with the reason', async t => {
  const model = new FakeControlModel();
  model.end = { end: 'cut', reason: 'target unavailable in domain 0' };
  const started = monotonicNow();
  const run = await serve(t, socket => socket.end('half'), model);
  const { child, finished } = startProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']);
  t.match(await finished, {
    code: 1,
    stdout: 'half',
    stderr: /^xsock: the stream to '.*\/0\/svc' was cut: target unavailable in domain 0\n$/,
  });
  const [[program, since] = [0, 0]] = model.ends;
  t.equal(program, child.pid, 'the kernel says who asks');
  t.ok(since >= started && since <= monotonicNow());
});

t.test('a daemon that does not know, or has ended, is a failure', async t => {
  const model = new FakeControlModel();
  model.end = { end: 'unknown', reason: 'for some reason' };
  const run = await serve(t, socket => socket.end(), model);
  t.match(await runProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']), {
    code: 1,
    stderr: /was cut: it is unknown how it ended: for some reason\n$/,
  });
  rmSync(join(run, 'control'));
  t.match(await runProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']), {
    code: 1,
    stderr: /it is unknown how it ended: nobody answers at/,
  });
});

t.test('what cannot be reached', async t => {
  const run = temporaryDirectory(t);
  t.match(await runProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']), {
    code: 1,
    stderr: /cannot connect to '.*\/0\/svc': ENOENT: that domain does not announce it/,
  });
  mkdirSync(join(run, '0'));
  writeFileSync(join(run, '0', 'svc'), '');
  t.match(await runProgram(t, XSOCK, ['--run', run, 'cat', '0', 'svc']), {
    code: 1,
    stderr: /cannot connect to '.*\/0\/svc': (ECONNREFUSED|ENOTSOCK)/,
  });
  t.match(await runProgram(t, XSOCK, ['--run', run, 'cat', '0', '../x']), {
    code: 1,
    stderr: /is not a service name/,
  });
});
