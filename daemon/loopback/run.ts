/** Runs a loopback machine in the foreground until SIGTERM or SIGINT. */
import { mkdir } from 'node:fs/promises';
import { acquireLock } from '../lock.js';
import { createMachineControl } from './control.js';
import { machineLayout } from './layout.js';
import { LoopbackMachine } from './machine.js';

/** Throws `ALREADY_RUNNING` if a machine runs in `dir`; resolves when a signal has ended this one. */
export async function runLoopbackMachine(dir: string): Promise<void> {
  const layout = machineLayout(dir);
  // From the start: a reader of the line "is up" may end it immediately.
  const ended = new Promise<void>(resolve => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  await mkdir(dir, { recursive: true, mode: 0o755 });
  const lock = acquireLock(layout.lock);
  try {
    const machine = await LoopbackMachine.start(dir);
    const control = createMachineControl(machine);
    await control.listen(layout.control, 0o600);
    process.stdout.write(`xsock loopback: machine in ${dir} is up (pid ${process.pid})\n`);
    await ended;
    await control.close();
    await machine.close();
  } finally {
    lock.release();
  }
}
