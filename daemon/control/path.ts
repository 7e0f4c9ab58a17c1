/** The path of a daemon's control socket, for the server and its clients. */
import { join } from 'node:path';

/** The control socket of the daemon with this run directory. */
export function controlPath(run: string): string {
  return join(run, 'control');
}
