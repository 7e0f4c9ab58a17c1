/**
 * A machine with the real Xen: QEMU without KVM, domain 0 and guests made of Debian's packages, each with
 * Node, the project's package, and an agent that does what the tests ask for. One boot takes about 20 s.
 *
 * XSOCK_XEN_LAB names the directory in which what is booted is kept from run to run (default: a directory
 * in the user's cache).
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentConnection } from './agent-connection.js';
import { ConsoleLog } from './console-log.js';
import { Domain } from './domain.js';
import { layPayload, preparePackage } from './package.js';

export interface LabOptions {
  readonly xenstored: 'oxenstored' | 'xenstored';
  readonly guestType: 'pv' | 'pvh';
  /** MiB. */
  readonly guestMemory?: number;
  /** A network interface for each guest, on a bridge in domain 0. */
  readonly network?: boolean;
  /** Static executables of this machine that every domain gets in /opt/test. */
  readonly programs?: readonly string[];
}

const PVH_ATTEMPTS = 3;

const HERE = fileURLToPath(new URL('../../../test/xen/lab', import.meta.url));

/** What is kept from run to run. */
export const LAB = process.env.XSOCK_XEN_LAB ?? join(homedir(), '.cache/xsock/xen-lab');

/**
 * Builds what is booted, if it is not there or not of this package. A text says why this machine cannot: tap's
 * `skip`. Not for two processes at once: `prepare.ts` comes before the tests.
 */
export function prepareLab(): false | string {
  mkdirSync(LAB, { recursive: true });
  const { status, stdout, stderr } = spawnSync(
    join(HERE, 'build'),
    [LAB, realpathSync(process.execPath)],
    {
      encoding: 'utf8',
    },
  );
  if (status === 0) {
    preparePackage(LAB);
    return false;
  }
  if (status === 77) return stdout.trim().split('\n').at(-1) ?? 'the Xen lab cannot be built';
  throw new Error(`test/xen/lab/build has failed:\n${stdout}${stderr}`);
}

const REASON = join(LAB, 'cannot');

/** For tests, several at once: keeps what prepareLab() said. */
export function prepareTests(): void {
  writeFileSync(REASON, prepareLab() || '');
}

/** What prepareTests() kept. */
export function prepared(): false | string {
  return readFileSync(REASON, 'utf8') || false;
}

export class XenLab {
  readonly dom0: Domain;
  readonly console: ConsoleLog;
  /** Files here are /share in domain 0. */
  readonly share: string;
  readonly #options: LabOptions;
  readonly #qemu: ChildProcess;
  readonly #agents: AgentConnection;

  private constructor(
    options: LabOptions,
    share: string,
    qemu: ChildProcess,
    log: ConsoleLog,
    agents: AgentConnection,
  ) {
    this.#options = options;
    this.share = share;
    this.#qemu = qemu;
    this.console = log;
    this.#agents = agents;
    this.dom0 = this.#domain('dom0', 0);
  }

  #domain(name: string, domid: number): Domain {
    return new Domain(name, domid, (to, operation, parameters) =>
      this.#agents.ask(to, operation, parameters),
    );
  }

  /** Boots Xen and domain 0; resolves when its agent answers. `logFile` gets the console. */
  static async boot(options: LabOptions, logFile: string): Promise<XenLab> {
    mkdirSync(join(LAB, 'runs'), { recursive: true });
    const run = mkdtempSync(join(LAB, 'runs/'));
    const share = join(run, 'share');
    layShare(share, options);
    const agents = await AgentConnection.listen(join(run, 'agents'));
    const qemu = spawn('nice', ['-n', '5', 'qemu-system-x86_64', ...qemuArguments(run, options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // What QEMU itself has to say comes there, too: it may end before Xen says a word.
    const log = new ConsoleLog(logFile, [qemu.stdout, qemu.stderr]);
    const ended = once(qemu, 'exit').finally(() => {
      agents.close();
      rmSync(run, { recursive: true, force: true });
    });
    const lab = new XenLab(options, share, qemu, log, agents);
    const tooLong = setTimeout(() => qemu.kill('SIGKILL'), 600_000);
    const early = ended.then(() => {
      throw new Error(`Xen did not boot:\n${log.tail()}`);
    });
    try {
      await Promise.race([agents.connected.catch(() => early), early]);
    } finally {
      clearTimeout(tooLong);
    }
    await lab.dom0.run(['cp', '/share/vmlinux', '/share/guest.cpio', '/tmp/']);
    return lab;
  }

  /** Makes a guest and waits until its agent is up. */
  async createGuest(name: string): Promise<Domain> {
    const config = `/share/${name}.cfg`;
    writeFileSync(join(this.share, `${name}.cfg`), guestConfig(name, this.#options));
    await this.dom0.ask('start', {
      name,
      argv: ['tail', '-n', '0', '-F', `/var/log/xen/console/guest-${name}.log`],
    });
    const guest = this.#domain(name, 0);
    await this.recreateGuest(guest, config);
    return guest;
  }

  /**
   * Makes a guest of the same name anew, after it was destroyed. QEMU's emulation of SVM now and then loses a
   * PVH guest in its first second (a triple fault with registers of Xen's own in it): such a one is made again.
   */
  async recreateGuest(guest: Domain, config = `/share/${guest.name}.cfg`): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.dom0.run(['xl', 'create', '-q', config]);
      try {
        return await this.guestIsUp(guest);
      } catch (error) {
        const lost = this.#options.guestType === 'pvh' && !(await this.#exists(guest.name));
        if (!lost || attempt === PVH_ATTEMPTS) throw error;
        console.log(`# ${guest.name} was lost while its kernel booted: once more`);
      }
    }
  }

  async #exists(name: string): Promise<boolean> {
    const { code } = await this.dom0.ask('run', { argv: ['xl', 'domid', name] });
    return code === 0;
  }

  /** Takes the domid that the guest has now, and waits for its agent. */
  async guestIsUp(guest: Domain): Promise<void> {
    guest.becomes(Number(await this.dom0.run(['xl', 'domid', guest.name])));
    const path = `/local/domain/${guest.domid}/data/lab/state`;
    await this.dom0.ask('node', { path, value: 'up', deadline: 90_000 });
  }

  /** As a crash would. */
  async killXenstored(): Promise<void> {
    await this.dom0.run(['sh', '-c', 'kill -9 $(cat /run/xen/xenstored.pid)']);
  }

  async startXenstored(): Promise<void> {
    const restart = this.#options.xenstored === 'oxenstored' ? '--restart' : '';
    const program = `/usr/lib/xen-*/bin/${this.#options.xenstored}`;
    await this.dom0.run(['sh', '-c', `${program} --pid-file /run/xen/xenstored.pid ${restart}`]);
    await this.dom0.run(['sh', '-c', '/usr/lib/xen-*/bin/xen-init-dom0']);
  }

  /** Ends QEMU. */
  async powerOff(): Promise<void> {
    if (this.#qemu.exitCode !== null || this.#qemu.signalCode !== null) return;
    const exit = once(this.#qemu, 'exit');
    this.#qemu.kill('SIGTERM');
    await exit;
  }
}

/** What domain 0 finds in /share. Guests get the payload behind their ramdisk: Linux unpacks both. */
function layShare(share: string, { xenstored, programs = [] }: LabOptions): void {
  const payload = join(share, 'payload');
  mkdirSync(payload, { recursive: true });
  layPayload(LAB, payload);
  for (const program of programs) {
    copyFileSync(program, join(payload, 'opt/test', basename(program)));
  }
  linkSync(join(LAB, 'img/vmlinux'), join(share, 'vmlinux'));
  copyFileSync(join(LAB, 'img/guest.cpio'), join(share, 'guest.cpio'));
  execFileSync('sh', ['-c', 'find . | cpio -o -H newc --quiet >> ../guest.cpio'], { cwd: payload });
  writeFileSync(join(share, 'lab.env'), `XENSTORED=${xenstored}\nXENSTORED_ARGUMENTS=\n`);
}

function guestConfig(name: string, { guestType, guestMemory = 512, network }: LabOptions): string {
  return `name = "${name}"
type = "${guestType}"
kernel = "/tmp/vmlinux"
ramdisk = "/tmp/guest.cpio"
extra = "console=hvc0 loglevel=4 mitigations=off"
memory = ${guestMemory}
vcpus = 1
tsc_mode = "native"
on_poweroff = "destroy"
on_reboot = "restart"
on_crash = "destroy"
${network === true ? 'vif = ["script=vif-lab,bridge=xenbr0"]' : ''}
`;
}

/** -cpu qemu64: domain 0's kernel does not survive `max`. PVH needs SVM, which QEMU emulates. */
function qemuArguments(run: string, { guestType }: LabOptions): string[] {
  const image = (name: string): string => join(LAB, 'img', name);
  const noMitigations = 'mitigations=off loglevel=4';
  return [
    ...['-accel', 'tcg,thread=multi,tb-size=256', '-smp', '2', '-m', '3072'],
    ...['-cpu', guestType === 'pvh' ? 'qemu64,+svm,+npt' : 'qemu64'],
    ...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-kernel', image('xen')],
    '-append',
    'console=com1 com1=115200,8n1 dom0_mem=1280M,max:1280M dom0_max_vcpus=1 ' +
      'spec-ctrl=no xpti=no pv-l1tf=no loglvl=warning guest_loglvl=all',
    ...['-initrd', `${image('vmlinux')} console=hvc0 ${noMitigations},${image('dom0.cpio')}`],
    '-virtfs',
    `local,path=${join(run, 'share')},mount_tag=share,security_model=none,multidevs=remap`,
    ...['-chardev', `socket,id=agents,path=${join(run, 'agents')}`],
    ...['-netdev', 'user,id=net,restrict=on,guestfwd=tcp:10.0.2.100:7-chardev:agents'],
    ...['-device', 'virtio-net-pci,netdev=net'],
  ];
}
