/**
 * A loopback machine with daemons, each a process of its own as a user runs it, in a directory of the
 * test. Everything is ended by pid when the test ends, and the daemons' logs are shown if it failed.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ControlClient } from '../../daemon/control/client.js';
import type { DomId } from '../../daemon/ids.js';
import { MachineClient } from '../../daemon/loopback/client.js';
import { eventually } from './eventually.js';
import { type Running, startProgram, XSOCK, XSOCKD } from './run-program.js';
import { temporaryDirectory } from './temp-directory.js';

export interface TestDaemon {
  readonly domid: number;
  readonly run: string;
  readonly config: string;
  readonly process: Running;
  readonly control: ControlClient;
  /** What it has logged so far. */
  log(): string;
}

/** Where a daemon finds its domain, and which build of xsockd it is; by default the machine's and this one. */
export interface DaemonPlace {
  readonly loopback?: string;
  readonly program?: string;
}

export class Testbed {
  readonly directory: string;
  readonly machine: MachineClient;
  readonly #test: Test;

  private constructor(t: Test, directory: string) {
    this.#test = t;
    this.directory = directory;
    this.machine = new MachineClient(join(directory, 'm'));
  }

  /** A machine with domain 0. */
  static async start(t: Test): Promise<Testbed> {
    const testbed = new Testbed(t, temporaryDirectory(t));
    startProgram(t, XSOCK, ['loopback', 'run', '--dir', join(testbed.directory, 'm')]);
    await eventually(() => testbed.machine.list());
    return testbed;
  }

  async introduce(domid: number, name: string): Promise<void> {
    await this.machine.introduce({ domid: domid as DomId, name });
  }

  async destroy(domid: number): Promise<void> {
    await this.machine.destroy(domid as DomId);
  }

  #domain(domid: number): string {
    return join(this.directory, 'm', 'domains', String(domid));
  }

  /** A socket of xenstored as that domain sees it. */
  xenstored(domid: number): string {
    return join(this.#domain(domid), 'xenstored');
  }

  /** The socket for the hypercalls of a domain. */
  hypercall(domid: number): string {
    return join(this.#domain(domid), 'hypercall');
  }

  /** A path for a target, a log, a configuration. */
  path(name: string): string {
    return join(this.directory, name);
  }

  writeConfig(domid: number, yaml: string): string {
    const config = this.path(`${domid}.yaml`);
    // Streams that are to end by themselves do, on a busy machine too; tests of the limit set their own.
    const drain = yaml.includes('drain-timeout:') ? '' : 'drain-timeout: 60s\n';
    writeFileSync(config, `${drain}${yaml}`);
    return config;
  }

  /** Starts the domain's daemon and waits until it serves. */
  async daemon(
    domid: number,
    yaml = '',
    environment: Readonly<Record<string, string>> = {},
    { loopback = this.#domain(domid), program = XSOCKD }: DaemonPlace = {},
  ): Promise<TestDaemon> {
    const config = this.writeConfig(domid, yaml);
    const run = this.path(`r${domid}`);
    const args = ['--config', config, '--run', run, '--loopback', loopback, '--log-level', 'debug'];
    const process = startProgram(this.#test, program, args, environment);
    let log = '';
    process.child.stderr.on('data', (chunk: Buffer) => {
      log += String(chunk);
    });
    this.#test.teardown(() => {
      if (!this.#test.passing()) this.#test.comment(`daemon ${domid}:\n${log}`);
    });
    const control = new ControlClient(run);
    await Promise.race([
      eventually(() => control.status()),
      process.finished.then(({ stderr }) => {
        throw new Error(`the daemon has ended: ${stderr}`);
      }),
    ]);
    return { domid, run, config, process, control, log: () => log };
  }

  /** Two domains, 0 (Domain-0) and 3 (web), each with its daemon. */
  static async pair(t: Test, yaml0: string, yaml3: string) {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    const [low, high] = await Promise.all([testbed.daemon(0, yaml0), testbed.daemon(3, yaml3)]);
    return { testbed, low, high };
  }
}

/** Waits until the socket of a service is in a daemon's view; its path. */
export async function socketOf(
  daemon: TestDaemon,
  domain: number | string,
  service: string | number,
): Promise<string> {
  const directory = typeof domain === 'number' ? String(domain) : join('by-name', domain);
  const file = typeof service === 'number' ? join('port', String(service)) : service;
  const path = join(daemon.run, directory, file);
  await eventually(() => access(path));
  return path;
}

/** Waits until a path is not there any more. */
export async function gone(path: string): Promise<void> {
  await eventually(async () => {
    if (existsSync(path)) throw new Error(`${path} is still there`);
  });
}

/** Kills a daemon as the kernel would: nothing of it runs on the way out. */
export async function killDaemon(daemon: TestDaemon): Promise<void> {
  daemon.process.child.kill('SIGKILL');
  await daemon.process.finished;
}

/** Ends a daemon in order. */
export async function stopDaemon(daemon: TestDaemon): Promise<number | null> {
  daemon.process.child.kill('SIGTERM');
  return (await daemon.process.finished).code;
}
