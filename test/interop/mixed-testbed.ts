/** A loopback machine in which each domain's daemon is of this release or of the one before. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { eventually } from '../support/eventually.js';
import { Testbed, type TestDaemon } from '../support/testbed.js';

export type Release = 'this' | 'before';

const ADAPTER = fileURLToPath(
  new URL('../../../test/native/build/plain/ports_of_0_1_0', import.meta.url),
);

export class MixedTestbed {
  readonly testbed: Testbed;
  readonly #test: Test;
  /** Of the release before. */
  readonly #package: string;

  private constructor(t: Test, testbed: Testbed, before: string) {
    this.#test = t;
    this.testbed = testbed;
    this.#package = before;
  }

  /** Domains 0 and 3; `before` is the package of the release before. */
  static async start(t: Test, before: string): Promise<MixedTestbed> {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    return new MixedTestbed(t, testbed, before);
  }

  async daemon(domid: number, release: Release, yaml: string): Promise<TestDaemon> {
    if (release === 'this') return this.testbed.daemon(domid, yaml);
    const program = join(this.#package, 'dist/daemon/main.js');
    return this.testbed.daemon(domid, yaml, {}, { loopback: await this.#adapted(domid), program });
  }

  /** A directory of the domain as the release before expects it. */
  async #adapted(domid: number): Promise<string> {
    const directory = this.testbed.path(`a${domid}`);
    if (existsSync(directory)) return directory;
    mkdirSync(directory);
    symlinkSync(this.testbed.xenstored(domid), join(directory, 'xenstored'));
    const socket = join(directory, 'hypercall');
    const adapter = spawn(ADAPTER, [socket, this.testbed.hypercall(domid)], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    this.#test.teardown(() => endOf(adapter));
    await eventually(() => access(socket));
    return directory;
  }
}

/** It ends with its standard input. */
async function endOf(adapter: ChildProcess): Promise<void> {
  const exited = new Promise(resolve => adapter.once('exit', resolve));
  if (adapter.exitCode !== null || adapter.signalCode !== null) return;
  adapter.stdin?.end();
  await exited;
}
