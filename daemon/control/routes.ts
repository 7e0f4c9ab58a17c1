/** What can be asked on the control socket, by whom, and which question to the control model that is. */
import { XsockError } from '../errors.js';
import type { JsonRequest, Route } from '../http/json-server.js';
import { parseDomId } from '../ids.js';
import { escapeForDisplay } from '../service/name.js';
import { type Access, type AccessRules, type Caller, checkAccess } from './access.js';
import type { ControlModel } from './model.js';

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

export function controlRoutes(model: ControlModel): readonly ControlRoute[] {
  return [
    { method: 'GET', path: '/v1/health', access: 'anyone', handle: () => ({ status: 'ok' }) },
    { method: 'GET', path: '/v1/status', access: 'reader', handle: () => model.status() },
    { method: 'GET', path: '/v1/services', access: 'reader', handle: () => model.services() },
    { method: 'GET', path: '/v1/streams', access: 'reader', handle: () => model.streams() },
    { method: 'POST', path: '/v1/reload', access: 'admin', handle: () => model.reload() },
    {
      method: 'DELETE',
      path: '/v1/streams/:domid/:id',
      access: 'admin',
      handle: request => resetStream(model, request),
    },
  ];
}

/** The routes as the HTTP server takes them: who asks is checked before anything is read or done. */
export function guarded(
  routes: readonly ControlRoute[],
  rules: () => AccessRules,
): readonly Route<Caller | undefined>[] {
  return routes.map(({ access, ...route }) => ({
    ...route,
    admit: caller => checkAccess(access, caller, rules()),
  }));
}
