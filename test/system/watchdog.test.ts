/**
 * The service manager's watchdog and the threads that move bytes: each of them frozen in a real daemon, by
 * ptrace (a signal would stop the whole process).
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually } from '../support/eventually.js';
import { installed } from '../support/installed.js';
import { startProgram, XSOCKD } from '../support/run-program.js';
import { Testbed } from '../support/testbed.js';

/** Prints what a service manager would be told, a line each. */
const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(repr(s.recv(4096)), flush=True)
`;

/** Stops one thread until its standard input ends. */
const FREEZER = `
import ctypes, os, sys
SEIZE, INTERRUPT, DETACH, ALL = 0x4206, 0x4207, 17, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
def ptrace(request):
    if libc.ptrace(request, tid, None, None) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
tid = int(sys.argv[1])
ptrace(SEIZE)
ptrace(INTERRUPT)
os.waitpid(tid, ALL)
print('frozen', flush=True)
sys.stdin.read()
ptrace(DETACH)
print('thawed', flush=True)
`;

class Script {
  readonly child: ChildProcessWithoutNullStreams;
  output = '';
  errors = '';

  constructor(t: Test, program: string, args: readonly string[]) {
    this.child = spawn('python3', ['-c', program, ...args]);
    this.child.stdout.on('data', chunk => {
      this.output += String(chunk);
    });
    this.child.stderr.on('data', chunk => {
      this.errors += String(chunk);
    });
    t.teardown(() => this.child.kill('SIGKILL'));
  }

  async until(text: string): Promise<void> {
    await eventually(async () => {
      if (!this.output.includes(text)) throw new Error(`no '${text}': ${this.errors}`);
    });
  }
}

function threadOf(pid: number, name: string): string {
  const tasks = `/proc/${pid}/task`;
  const found = readdirSync(tasks).find(
    tid => readFileSync(join(tasks, tid, 'comm'), 'utf8').trim() === name,
  );
  if (found === undefined) throw new Error(`no thread is called ${name}`);
  return found;
}

const CONFIG = `
link: {pumps: 2}
imports:
  - {peer: 3, service: raw, vchan: data/raw/server}
`;

t.test(
  'a thread that hangs: the watchdog is not notified',
  { skip: installed('python3') },
  async t => {
    const testbed = await Testbed.start(t);
    const socket = testbed.path('notify');
    const manager = new Script(t, MANAGER, [socket]);
    await manager.until('bound');
    const daemon = startProgram(
      t,
      XSOCKD,
      [
        ...['--config', testbed.writeConfig(0, CONFIG), '--run', testbed.path('r0')],
        ...['--loopback', join(testbed.directory, 'm', 'domains', '0')],
      ],
      { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '400000' },
    );
    let log = '';
    daemon.child.stderr.on('data', chunk => {
      log += String(chunk);
    });
    const signs = (): number => manager.output.split('WATCHDOG=1').length - 1;
    const moreThan = (count: number): Promise<void> =>
      eventually(async () => {
        if (signs() <= count) throw new Error(`${signs()} signs of life; ${log}`);
      });
    await moreThan(1);
    for (const name of ['xsock-pump-0', 'xsock-pump-1', 'xsock-relays']) {
      const complaints = log.split('does not answer').length;
      const freezer = new Script(t, FREEZER, [threadOf(daemon.child.pid as number, name)]);
      await freezer.until('frozen');
      const before = signs();
      await eventually(async () => {
        if (log.split('does not answer').length === complaints) throw new Error(`${name}: ${log}`);
      });
      // One may have been on its way.
      t.ok(signs() - before <= 1, `${name}: no sign of life`);
      freezer.child.stdin.end();
      await freezer.until('thawed');
      await moreThan(before + 1);
    }
    t.equal(daemon.child.exitCode, null);
  },
);
