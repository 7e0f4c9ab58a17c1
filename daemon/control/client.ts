/** A daemon's control model, as a client in another process. */
import { type JsonCall, requestJson } from '../http/json-client.js';
import type {
  ControlModel,
  DaemonStatus,
  ReloadResult,
  ServiceStatus,
  StreamEnd,
  StreamStatus,
} from './model.js';
import { controlPath } from './path.js';

/**
 * Every call throws `DAEMON_UNREACHABLE` if no daemon answers in that run directory, and
 * `CONTROL_REFUSED` with the daemon's message if it refuses.
 */
export class ControlClient implements Omit<ControlModel, 'streamEnd'> {
  readonly #path: string;

  constructor(run: string) {
    this.#path = controlPath(run);
  }

  async status(): Promise<DaemonStatus> {
    return (await this.#ask({ method: 'GET', path: '/v1/status' })) as DaemonStatus;
  }

  async services(): Promise<readonly ServiceStatus[]> {
    return (await this.#ask({ method: 'GET', path: '/v1/services' })) as ServiceStatus[];
  }

  async streams(): Promise<readonly StreamStatus[]> {
    return (await this.#ask({ method: 'GET', path: '/v1/streams' })) as StreamStatus[];
  }

  /** How the stream ended that this process opened, at `since` or later (monotonicNow()). */
  async ownStreamEnd(since: number): Promise<StreamEnd> {
    const path = `/v1/stream-end?since=${since}`;
    return (await this.#ask({ method: 'GET', path })) as StreamEnd;
  }

  /** True; an unknown stream is a refusal here, with the daemon's message. */
  async resetStream(peer: number, stream: number): Promise<boolean> {
    await this.#ask({ method: 'DELETE', path: `/v1/streams/${peer}/${stream}` });
    return true;
  }

  async reload(): Promise<ReloadResult> {
    return (await this.#ask({ method: 'POST', path: '/v1/reload' })) as ReloadResult;
  }

  #ask(call: JsonCall): Promise<unknown> {
    return requestJson(
      this.#path,
      call,
      'is xsockd running, and is this its run directory (--run)?',
    );
  }
}
