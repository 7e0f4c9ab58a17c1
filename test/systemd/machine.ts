/**
 * A machine under systemd as process 1, made of layers over Debian 12 (lab/boot). Everything in it ends
 * with the test; its journal is kept in the lab's logs/.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Test } from 'tap';
import { eventually } from '../support/eventually.js';
import { temporaryDirectory } from '../support/temp-directory.js';
import { HERE, LAB, ROOT } from './lab.js';

const BOOT = join(HERE, 'boot');
/** Milliseconds that a command may take: a compiler's on a busy machine. */
const COMMAND_TIMEOUT = 600_000;
const NAMESPACES = ['--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup'];
/** Of this machine's environment, where the tests run, nothing is passed on. */
const ENVIRONMENT = [
  'HOME=/root',
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  'LANG=C.UTF-8',
  'SYSTEMD_COLORS=0',
];

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Machine {
  readonly #init: number;

  private constructor(init: number) {
    this.#init = init;
  }

  /** Boots with `layers` over the root, the uppermost first, and `files` (path: content) over those. */
  static async boot(
    t: Test,
    name: string,
    layers: readonly string[],
    files: Readonly<Record<string, string>> = {},
  ): Promise<Machine> {
    const top = temporaryDirectory(t);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(top, path)), { recursive: true });
      writeFileSync(join(top, path), content);
    }
    const group = `xsock-${basename(top)}`;
    const child = spawn(BOOT, [[top, ...layers, ROOT].join(':'), group], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
    const machine = new Machine(
      await eventually(async () => {
        if (child.exitCode !== null) throw new Error(`the machine does not boot: ${said}`);
        return initOf(child);
      }),
    );
    t.teardown(async () => {
      machine.#keepJournal(name);
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      // Its last processes may still be on their way out.
      await eventually(async () => {
        const { status, stderr } = spawnSync(BOOT, ['--remove', group], { encoding: 'utf8' });
        if (status !== 0) throw new Error(stderr);
      });
    });
    await eventually(async () => {
      const { stdout, stderr } = await machine.run('systemctl is-system-running --wait');
      if (!/^(running|degraded)/.test(stdout)) throw new Error(`systemd is ${stdout}${stderr}`);
    });
    return machine;
  }

  /** Runs a line of shell in it. */
  run(line: string): Promise<Outcome> {
    const child = spawn('nsenter', this.#within('/bin/sh', '-c', line), {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_TIMEOUT,
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        output[name] += String(chunk);
      });
    }
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', code => resolve({ code, ...output }));
    });
  }

  /** Its standard output; throws if it fails. */
  async output(line: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(line);
    if (code !== 0) throw new Error(`'${line}' ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  write(path: string, content: string): void {
    const { status, stderr } = spawnSync(
      'nsenter',
      this.#within('/bin/sh', '-c', 'mkdir -p "$(dirname "$0")" && cat > "$0"', path),
      { input: content, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`'${path}' cannot be written: ${stderr}`);
  }

  /** A unit's properties as `systemctl show` has them. */
  async show(unit: string): Promise<Readonly<Record<string, string>>> {
    const lines = (await this.output(`systemctl show ${unit}`)).split('\n');
    return Object.fromEntries(lines.map(line => line.split(/=(.*)/s).slice(0, 2)));
  }

  /** Waits until the unit's properties are as wanted; all of them. */
  until(unit: string, wanted: Readonly<Record<string, string | RegExp>>) {
    return eventually(async () => {
      const found = await this.show(unit);
      for (const [name, value] of Object.entries(wanted)) {
        const now = found[name] ?? '';
        if (typeof value === 'string' ? now !== value : !value.test(now)) {
          throw new Error(`${unit}: ${name} is '${now}'`);
        }
      }
      return found;
    });
  }

  journal(unit: string): Promise<string> {
    return this.output(`journalctl --no-pager --output=short-monotonic --unit=${unit}`);
  }

  #within(...command: readonly string[]): string[] {
    const target = ['--target', String(this.#init), ...NAMESPACES, '--'];
    return [...target, '/usr/bin/env', '-i', ...ENVIRONMENT, ...command];
  }

  #keepJournal(name: string): void {
    const { stdout } = spawnSync('nsenter', this.#within('journalctl', '--no-pager'), {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    mkdirSync(join(LAB, 'logs'), { recursive: true });
    writeFileSync(join(LAB, 'logs', `${name}.journal`), stdout);
  }
}

/** Process 1 of the machine, in this machine's numbers; throws until systemd is what runs there. */
function initOf({ pid }: ChildProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  if (!/^\d+$/.test(children)) throw new Error('the machine has no process yet');
  const command = readFileSync(`/proc/${children}/comm`, 'utf8').trim();
  if (command !== 'systemd') throw new Error(`${command} is still preparing the machine`);
  return Number(children);
}
