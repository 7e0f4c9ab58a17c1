/** The one error class of xsock. Every code is described in docs/errors.md; a test keeps the two alike. */

export type XsockErrorCode =
  /** The command line is wrong. */
  | 'USAGE'
  /** The configuration has problems; the message lists all of them. */
  | 'CONFIG_INVALID'
  /** A file or folder that is needed cannot be read or written. */
  | 'FILE_ACCESS'
  /** Another daemon already serves this domain in this run directory. */
  | 'ALREADY_RUNNING'
  /** The control socket of a daemon could not be reached. */
  | 'DAEMON_UNREACHABLE'
  /** The daemon answered a control request with a refusal. */
  | 'CONTROL_REFUSED'
  /** A stream was refused, reset or lost, or it is unknown whether it was. */
  | 'STREAM_CUT'
  /** The caller of the control socket lacks the right to that request; the message names the group to join. */
  | 'FORBIDDEN'
  /** The hypervisor (loopback or Xen) could not be reached or is gone. */
  | 'HYPERVISOR_UNAVAILABLE'
  /** The native addon is missing or does not load. */
  | 'ADDON_MISSING'
  /** The addon refused an operation; `errno` and `syscall` say why. */
  | 'DATAPLANE'
  /** xenstored answered with an error; `errno` carries its name (ENOENT, EACCES, ...). */
  | 'XENSTORE'
  /** The connection to xenstored is gone; requests in flight have failed. */
  | 'XENSTORE_GONE'
  /** A xenstore path or value breaks xenstore's rules; nothing was sent. */
  | 'XENSTORE_INVALID'
  /** A peer sent a message that breaks the protocol. */
  | 'PEER_PROTOCOL'
  /** A name is not a service name: 1-64 characters from A-Z a-z 0-9 . _ - */
  | 'SERVICE_NAME'
  /** A socket path does not fit in `sun_path` (107 bytes). */
  | 'PATH_TOO_LONG'
  /** A path in the view is in use by something that is not ours. */
  | 'PATH_TAKEN';

export interface XsockErrorDetail {
  /** Symbolic errno, e.g. `ENOENT`, when a system or xenstore call failed. */
  readonly errno?: string;
  /** The system call or request that failed. */
  readonly syscall?: string;
  /** The path, service or peer it happened to. */
  readonly subject?: string;
  readonly cause?: unknown;
}

export class XsockError extends Error {
  readonly code: XsockErrorCode;
  readonly errno: string | undefined;
  readonly syscall: string | undefined;
  readonly subject: string | undefined;

  constructor(code: XsockErrorCode, message: string, detail: XsockErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'XsockError';
    this.code = code;
    this.errno = detail.errno;
    this.syscall = detail.syscall;
    this.subject = detail.subject;
  }
}

/** True for an XsockError of that code (and, if given, that errno). */
export function isXsockError(
  error: unknown,
  code?: XsockErrorCode,
  errno?: string,
): error is XsockError {
  return (
    error instanceof XsockError &&
    (code === undefined || error.code === code) &&
    (errno === undefined || error.errno === errno)
  );
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
