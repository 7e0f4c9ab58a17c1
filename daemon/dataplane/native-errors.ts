/** Errors of the addon, which carry the name of an errno, as XsockErrors. */
import { messageOf, XsockError } from '../errors.js';

interface ErrnoError {
  readonly code: string;
}

export function hasErrno(error: unknown): error is ErrnoError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

export function wrapped(action: string, error: unknown): XsockError {
  return new XsockError('DATAPLANE', `${action}: ${messageOf(error)}`, {
    ...(hasErrno(error) ? { errno: error.code } : {}),
    syscall: action,
    cause: error,
  });
}

/** What `call` returns; throws `DATAPLANE`. */
export function translated<T>(action: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw wrapped(action, error);
  }
}

/** As translated(), for a promise. */
export async function translatedCall<T>(action: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw wrapped(action, error);
  }
}
