/** Where a daemon's control socket is: known to the server and to its clients. */
import { join } from 'node:path';

/** The control socket of the daemon with this run directory. */
export function controlPath(run: string): string {
  return join(run, 'control');
}
