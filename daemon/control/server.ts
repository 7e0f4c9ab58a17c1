/**
 * The control socket of a daemon: HTTP on `<run>/control`. Decides nothing: routes.ts says who may ask what.
 * By hand: `curl --unix-socket /run/xsock/control http://localhost/v1/status`
 */
import { JsonServer } from '../http/json-server.js';
import { type AccessRules, mayAsk } from './access.js';
import { callerOf } from './caller.js';
import type { ControlModel } from './model.js';
import { controlPath } from './path.js';
import { controlRoutes, guarded } from './routes.js';

/** Everybody may connect: what each may ask is decided by who they are. */
const MODE = 0o666;

export interface ControlServer {
  /** Removes the socket and drops its connections. */
  close(): Promise<void>;
}

/**
 * Serves `model` on `<run>/control` to those whom `rules` (evaluated at each request) allow. The socket of a
 * crashed daemon is replaced; one that answers never is (`PATH_TAKEN`). Throws `PATH_TOO_LONG` if the run
 * directory's path is too long for a socket.
 */
export async function serveControl(
  run: string,
  model: ControlModel,
  rules: () => AccessRules,
): Promise<ControlServer> {
  const server = new JsonServer(guarded(controlRoutes(model), rules), {
    identify: callerOf,
    keyOf: caller => String(caller?.uid ?? 'unknown'),
    // A user with many uids (subordinate ids) must not lock out the administrator.
    isPreferred: caller => mayAsk('reader', caller, rules()),
  });
  await server.listen(controlPath(run), MODE);
  return server;
}
