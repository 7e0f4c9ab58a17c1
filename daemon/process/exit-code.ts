/** How `xsockd` ends: sysexits(3) where they fit, so that a service manager can tell the cases apart. */
import { XsockError, type XsockErrorCode } from '../errors.js';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
/** EX_UNAVAILABLE: the hypervisor cannot be reached, or is gone. */
export const EXIT_UNAVAILABLE = 69;
/** EX_TEMPFAIL: another daemon has this run directory. */
export const EXIT_ALREADY_RUNNING = 75;
/** EX_CONFIG: a restart will not help before the configuration, or access to a file, is changed. */
export const EXIT_CONFIG = 78;

const EXIT_CODES: Partial<Readonly<Record<XsockErrorCode, number>>> = {
  USAGE: EXIT_USAGE,
  CONFIG_INVALID: EXIT_CONFIG,
  FILE_ACCESS: EXIT_CONFIG,
  ALREADY_RUNNING: EXIT_ALREADY_RUNNING,
  HYPERVISOR_UNAVAILABLE: EXIT_UNAVAILABLE,
  ADDON_MISSING: EXIT_UNAVAILABLE,
  XENSTORE_GONE: EXIT_UNAVAILABLE,
};

export function exitCodeOf(error: unknown): number {
  return error instanceof XsockError ? (EXIT_CODES[error.code] ?? EXIT_FAILURE) : EXIT_FAILURE;
}
