/** What the service manager is told, with a recording sender and with the real one. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import {
  Notifier,
  type NotifierOptions,
  processNotifierOptions,
} from '../../../daemon/systemd/notify.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

function recording(
  environment: NotifierOptions['environment'],
  fail = false,
  alive: () => Promise<unknown> = async () => undefined,
) {
  let silent = 0;
  const sent: (readonly [string, string])[] = [];
  const errors: unknown[] = [];
  const waiters: (() => void)[] = [];
  const notifier = new Notifier({
    environment,
    pid: 77,
    monotonic: () => 123n,
    onError: error => errors.push(error),
    alive,
    onSilent: () => {
      silent += 1;
      for (const wake of waiters.splice(0)) wake();
    },
    send: (socket, message) => {
      if (fail) throw new Error('ECONNREFUSED');
      sent.push([socket, message]);
      for (const wake of waiters.splice(0)) wake();
    },
  });
  const next = () => new Promise<void>(resolve => waiters.push(resolve));
  return { notifier, sent, errors, next, silent: () => silent };
}

t.test('the life of a daemon', async t => {
  const { notifier, sent } = recording({ NOTIFY_SOCKET: '/run/notify' });
  notifier.ready('serving\nREADY=0');
  notifier.reloading();
  notifier.ready('serving');
  notifier.stopping('SIGTERM');
  t.strictSame(sent, [
    ['/run/notify', 'READY=1\nSTATUS=serving READY=0'],
    ['/run/notify', 'RELOADING=1\nMONOTONIC_USEC=123'],
    ['/run/notify', 'READY=1\nSTATUS=serving'],
    ['/run/notify', 'STOPPING=1\nSTATUS=SIGTERM'],
  ]);
});

t.test('without a service manager nothing is sent', async t => {
  for (const NOTIFY_SOCKET of [undefined, '', '@', 'vsock:2:1234']) {
    const { notifier, sent, errors } = recording({ NOTIFY_SOCKET, WATCHDOG_USEC: '1000' });
    notifier.ready('serving');
    notifier.stopping('');
    t.strictSame([sent, errors], [[], []], String(NOTIFY_SOCKET));
  }
});

t.test('a service manager that is gone is reported once', async t => {
  const { notifier, errors } = recording({ NOTIFY_SOCKET: '@x' }, true);
  notifier.ready('serving');
  notifier.stopping('');
  t.equal(errors.length, 1);
});

t.test('the watchdog', async t => {
  t.test('is notified from ready to close', async t => {
    const { notifier, sent, next } = recording({ NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '4000' });
    t.strictSame(sent, [], 'not before the daemon is ready');
    notifier.ready('serving');
    // The interval does not keep a process alive, so the test must.
    const alive = setInterval(() => {}, 1000);
    for (let signs = 0; signs < 3; signs++) await next();
    clearInterval(alive);
    notifier.close();
    const fed = sent.filter(([, message]) => message === 'WATCHDOG=1').length;
    t.ok(fed >= 3, `${fed} times`);
  });

  t.test('of another process is not ours', async t => {
    for (const environment of [
      { WATCHDOG_USEC: '4000', WATCHDOG_PID: '78' },
      { WATCHDOG_USEC: '0' },
      { WATCHDOG_USEC: 'x' },
      {},
    ]) {
      const { notifier, sent } = recording({ NOTIFY_SOCKET: '@x', ...environment });
      notifier.ready('serving');
      t.equal(sent.length, 1, JSON.stringify(environment));
      notifier.close();
    }
    const { notifier, sent } = recording({
      NOTIFY_SOCKET: '@x',
      WATCHDOG_USEC: '60000000',
      WATCHDOG_PID: '77',
    });
    notifier.ready('serving');
    await new Promise(resolve => setImmediate(resolve));
    t.equal(sent.length, 2);
    notifier.close();
  });

  t.test('is not notified while a thread hangs, which is logged once', async t => {
    let answer: () => void = () => {};
    const { notifier, sent, next, silent } = recording(
      { NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '4000' },
      false,
      () =>
        new Promise<void>(resolve => {
          answer = resolve;
        }),
    );
    const alive = setInterval(() => {}, 1000);
    const signs = (): number => sent.filter(([, message]) => message === 'WATCHDOG=1').length;
    notifier.ready('serving');
    t.equal(signs(), 0, 'not before the threads have answered');
    await next();
    t.strictSame([signs(), silent()], [0, 1]);
    answer();
    await next();
    t.strictSame([signs(), silent()], [1, 1]);
    await next();
    t.strictSame([signs(), silent()], [1, 2], 'it hangs again');
    answer();
    notifier.close();
    clearInterval(alive);
    await new Promise(resolve => setImmediate(resolve));
    t.equal(signs(), 1, 'nothing after close()');
  });
});

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.settimeout(20)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('bound', flush=True)
print(repr(s.recv(4096)), flush=True)
`;

const noPython =
  spawnSync('python3', ['--version']).error === undefined ? false : 'python3 is not installed';

t.test('real datagrams arrive', { skip: noPython }, async t => {
  const directory = temporaryDirectory(t);
  for (const name of [join(directory, 'notify'), `@xsock-test-${process.pid}`]) {
    const receiver = spawn('python3', ['-c', RECEIVER, name]);
    let printed = '';
    receiver.stdout.on('data', chunk => {
      printed += String(chunk);
    });
    await once(receiver.stdout, 'data');
    const notifier = new Notifier({
      ...processNotifierOptions({
        onError: error => t.fail(String(error)),
        alive: async () => undefined,
        onSilent: () => t.fail('silent'),
      }),
      environment: { NOTIFY_SOCKET: name },
    });
    notifier.ready('serving');
    await once(receiver, 'close');
    t.equal(printed, "bound\nb'READY=1\\nSTATUS=serving'\n", name);
  }
});
