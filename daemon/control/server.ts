/**
 * The control door of a daemon: routes between HTTP on `<run>/control` and the control model. Decides
 * nothing. By hand: `curl --unix-socket /run/xsock/control http://localhost/v1/status`
 */
import { XsockError } from '../errors.js';
import { type JsonRequest, JsonServer, type Route } from '../http/json-server.js';
import { parseDomId } from '../ids.js';
import { escapeForDisplay } from '../service/name.js';
import type { ControlModel } from './model.js';
import { controlPath } from './path.js';

/** The daemon's user and group may ask, nobody else. */
const MODE = 0o660;

/** Stream ids are u32 on the wire. */
const STREAM_ID_MAX = 0xffff_ffff;

function refusal(message: string): XsockError {
  return new XsockError('CONTROL_REFUSED', message);
}

async function resetStream(model: ControlModel, { params }: JsonRequest): Promise<object> {
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

function routes(model: ControlModel): readonly Route[] {
  return [
    { method: 'GET', path: '/v1/health', handle: () => ({ status: 'ok' }) },
    { method: 'GET', path: '/v1/status', handle: () => model.status() },
    { method: 'GET', path: '/v1/services', handle: () => model.services() },
    { method: 'GET', path: '/v1/streams', handle: () => model.streams() },
    { method: 'POST', path: '/v1/reload', handle: () => model.reload() },
    {
      method: 'DELETE',
      path: '/v1/streams/:domid/:id',
      handle: request => resetStream(model, request),
    },
  ];
}

export interface ControlServer {
  /** Removes the socket and drops its connections. */
  close(): Promise<void>;
}

/**
 * Serves `model` on `<run>/control`. The socket of a crashed daemon is replaced; one that answers never
 * is (`PATH_TAKEN`). Throws `PATH_TOO_LONG` if the run directory's path is too long for a socket.
 */
export async function serveControl(run: string, model: ControlModel): Promise<ControlServer> {
  const server = new JsonServer(routes(model));
  await server.listen(controlPath(run), MODE);
  return server;
}
