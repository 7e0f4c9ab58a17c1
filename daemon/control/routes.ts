/** The routes of the control socket, who may use them, and the operations of the control model behind them. */
import { XsockError } from '../errors.js';
import type { JsonRequest, Route } from '../http/json-server.js';
import { parseDomId } from '../ids.js';
import { escapeForDisplay } from '../text/escape.js';
import { type Access, type AccessRules, type Caller, checkAccess } from './access.js';
import type { ControlModel, StreamEnd } from './model.js';

/** `caller` is undefined where the kernel does not say who it is. */
export type ControlRequest = JsonRequest<Caller | undefined>;

export interface ControlRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly access: Access;
  readonly handle: (request: ControlRequest) => unknown;
}

/** Stream ids are u32 on the wire. */
const STREAM_ID_MAX = 0xffff_ffff;

function refusal(message: string): XsockError {
  return new XsockError('CONTROL_REFUSED', message);
}

async function resetStream(model: ControlModel, { params }: ControlRequest): Promise<object> {
  const { domid: domidText = '', id: idText = '' } = params;
  const peer = parseDomId(domidText);
  if (peer === undefined) throw refusal(`'${escapeForDisplay(domidText)}' is not a domid`);
  const stream = /^\d{1,10}$/.test(idText) ? Number(idText) : Number.NaN;
  if (!(stream <= STREAM_ID_MAX)) {
    throw refusal(`'${escapeForDisplay(idText)}' is not a stream id`);
  }
  if (!(await model.resetStream(peer, stream))) {
    throw refusal(`there is no stream ${stream} with domain ${peer}`);
  }
  return { reset: true };
}

/** Everybody may ask about the streams of the calling process, which the kernel identifies. */
function streamEnd(model: ControlModel, { query, caller }: ControlRequest): Promise<StreamEnd> {
  const text = query.get('since') ?? '';
  if (!/^\d{1,15}$/.test(text)) {
    throw refusal(`'since' is not a number of milliseconds`);
  }
  if (caller === undefined || caller.pid === 0) {
    const reason = 'the calling process is not visible to the daemon (another pid namespace)';
    return Promise.resolve({ end: 'unknown', reason });
  }
  return model.streamEnd(caller.pid, Number(text));
}

export function controlRoutes(model: ControlModel): readonly ControlRoute[] {
  return [
    { method: 'GET', path: '/v1/health', access: 'anyone', handle: () => ({ status: 'ok' }) },
    { method: 'GET', path: '/v1/status', access: 'reader', handle: () => model.status() },
    { method: 'GET', path: '/v1/services', access: 'reader', handle: () => model.services() },
    { method: 'GET', path: '/v1/streams', access: 'reader', handle: () => model.streams() },
    {
      method: 'GET',
      path: '/v1/stream-end',
      access: 'anyone',
      handle: request => streamEnd(model, request),
    },
    { method: 'POST', path: '/v1/reload', access: 'admin', handle: () => model.reload() },
    {
      method: 'DELETE',
      path: '/v1/streams/:domid/:id',
      access: 'admin',
      handle: request => resetStream(model, request),
    },
  ];
}

/** The routes as the HTTP server takes them: the caller is checked before anything is read or done. */
export function guarded(
  routes: readonly ControlRoute[],
  rules: () => AccessRules,
): readonly Route<Caller | undefined>[] {
  return routes.map(({ access, ...route }) => ({
    ...route,
    admit: caller => checkAccess(access, caller, rules()),
  }));
}
