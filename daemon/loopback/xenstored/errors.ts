/** The error of a failed request: one of the names of io/xs_wire.h. */

export type Errno =
  | 'EINVAL'
  | 'EACCES'
  | 'EEXIST'
  | 'ENOENT'
  | 'ENOSPC'
  | 'ENOSYS'
  | 'EBUSY'
  | 'EAGAIN'
  | 'E2BIG';

export class StoreError extends Error {
  readonly errno: Errno;

  constructor(errno: Errno) {
    super(errno);
    this.errno = errno;
  }
}
