/** Typed calls to the control socket of a running loopback machine (control.ts). */
import { requestJson } from '../http/json-client.js';
import type { DomId } from '../ids.js';
import { machineLayout } from './layout.js';
import type { DomainInfo, LoopbackMachine, NewDomain } from './machine.js';

export type MachineCounts = ReturnType<LoopbackMachine['counts']>;

export class MachineClient {
  private readonly socketPath: string;
  private readonly remedy: string;

  constructor(dir: string) {
    this.socketPath = machineLayout(dir).control;
    this.remedy = `start the machine with 'xsock loopback run --dir ${dir}'`;
  }

  /** The domains that exist now. Throws, as all calls here, `DAEMON_UNREACHABLE` or `CONTROL_REFUSED`. */
  async list(): Promise<readonly DomainInfo[]> {
    return (await this.call('GET', '/v1/domains')) as readonly DomainInfo[];
  }
  async counts(): Promise<MachineCounts> {
    return (await this.call('GET', '/v1/counts')) as MachineCounts;
  }
  async introduce(domain: NewDomain): Promise<DomainInfo> {
    return (await this.call('POST', '/v1/domains', domain)) as DomainInfo;
  }
  async destroy(domid: DomId): Promise<void> {
    await this.call('DELETE', `/v1/domains/${domid}`);
  }

  private call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    return requestJson(this.socketPath, { method, path, body }, this.remedy);
  }
}
