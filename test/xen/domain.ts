/** A domain as tests see it: its agent's operations, and a few that come of them. */
import type { OperationName, ParametersOf, ResultOf } from './agent/protocol.js';
import { INSTALLED } from './package.js';

export type Ask = <Name extends OperationName>(
  to: number,
  operation: Name,
  parameters: ParametersOf<Name>,
) => Promise<ResultOf<Name>>;

/** The daemon runs under this name in the agents' table of programs. */
const DAEMON = 'xsockd';

export class Domain {
  readonly name: string;
  readonly #ask: Ask;
  #domid: number;

  constructor(name: string, domid: number, ask: Ask) {
    this.name = name;
    this.#domid = domid;
    this.#ask = ask;
  }

  get domid(): number {
    return this.#domid;
  }

  /** The domain was made anew, or restored. */
  becomes(domid: number): void {
    this.#domid = domid;
  }

  async ask<Name extends OperationName>(
    operation: Name,
    parameters: ParametersOf<Name>,
  ): Promise<ResultOf<Name>> {
    try {
      return await this.#ask(this.#domid, operation, parameters);
    } catch (error) {
      throw new Error(`${this.name}: ${operation}: ${(error as Error).message}`);
    }
  }

  /** Runs a program; its standard output. Fails if the program does. */
  async run(argv: readonly string[], input = '', deadline = 240_000): Promise<string> {
    const { code, signal, stdout, stderr } = await this.ask('run', { argv, input, deadline });
    if (code !== 0) {
      throw new Error(`${this.name}: '${argv.join(' ')}' ended with ${signal ?? code}: ${stderr}`);
    }
    return stdout;
  }

  /** Writes the configuration and starts the daemon as a user has it. Resolves when it serves. */
  async startDaemon(yaml: string, account?: { readonly uid: number; readonly gid: number }) {
    await this.ask('write', { path: '/etc/xsock/xsock.yaml', content: yaml });
    await this.ask('start', {
      name: DAEMON,
      argv: ['node', `${INSTALLED}/dist/daemon/main.js`],
      ...account,
    });
    await this.ask('said', { name: DAEMON, pattern: '"msg":"serving"' });
  }

  /** Ends it in order; fails unless it ends with 0. */
  async stopDaemon(): Promise<void> {
    await this.ask('signal', { name: DAEMON, signal: 'SIGTERM' });
    const { code, signal } = await this.ask('ended', { name: DAEMON });
    if (code !== 0) throw new Error(`${this.name}: the daemon ended with ${signal ?? code}`);
  }

  /** As the kernel would: nothing of it runs on the way out. */
  async killDaemon(): Promise<void> {
    await this.ask('signal', { name: DAEMON, signal: 'SIGKILL' });
    await this.ask('ended', { name: DAEMON });
  }

  /** Waits until the daemon has logged a line that matches, from line `after` on. */
  logs(pattern: string, after = 0, deadline = 240_000): Promise<string> {
    return this.ask('said', { name: DAEMON, pattern, after, deadline });
  }

  /** A place in the daemon's log, for logs(). */
  logPosition(): Promise<number> {
    return this.ask('lineCount', { name: DAEMON });
  }

  /** Waits for a service's socket in the view; its path. */
  async socket(peer: Domain | string, service: string): Promise<string> {
    const directory = typeof peer === 'string' ? `by-name/${peer}` : String(peer.domid);
    const path = `/run/xsock/${directory}/${service}`;
    await this.ask('appears', { path });
    return path;
  }
}
