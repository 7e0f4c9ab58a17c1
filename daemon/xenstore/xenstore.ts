/**
 * The operations on xenstore, independent of the transport. Paths are absolute or relative to the domain's
 * own home; never with a trailing slash. Values are UTF-8 text.
 *
 * Errors: XsockError `XENSTORE` with `errno` (ENOENT, EACCES, ENOSPC, EINVAL, ...) when xenstored
 * refuses; `XENSTORE_GONE` when the connection was lost; `XENSTORE_INVALID` when the request would break
 * xenstore's rules (nothing was sent).
 */

/** `n` none, `r` read, `w` write, `b` both; the first entry names the owner and everybody else's right. */
export interface Permission {
  readonly access: 'n' | 'r' | 'w' | 'b';
  readonly domid: number;
}

export interface XenstoreOperations {
  read(path: string): Promise<string>;
  /** Names of the children, unsorted. */
  list(path: string): Promise<readonly string[]>;
  /** Creates missing parents. */
  write(path: string, value: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  /** Removes the node and all below it; a missing node is no error when its parent exists. */
  remove(path: string): Promise<void>;
  getPermissions(path: string): Promise<readonly Permission[]>;
  setPermissions(path: string, permissions: readonly Permission[]): Promise<void>;
}

export interface Watch {
  /** Why it is not set now, for people; undefined while it is. It is set as soon as it can be. */
  readonly problem: string | undefined;
  /** Stops the watch; no event is delivered afterwards. */
  close(): Promise<void>;
}

/** Called when xenstored refuses a watch, and (`problem` undefined) when it has later accepted it. */
export type WatchProblemListener = (path: string, problem: string | undefined) => void;

export interface Xenstore extends XenstoreOperations {
  /**
   * Runs `body` in a transaction, after earlier ones; repeats it when xenstored answers
   * EAGAIN (bounded). A body must not begin another one.
   */
  transaction<T>(body: (operations: XenstoreOperations) => Promise<T>): Promise<T>;
  /**
   * Calls back with the path that changed at or below `path` (or a special path such as
   * `@introduceDomain`). Fires once when it is set, and once after every reconnect: always read again.
   *
   * The watch holds until it is closed. Without a connection, or when the connection is lost meanwhile, it
   * is set by the next one; a refused one (a quota) is retried. Throws `XENSTORE_INVALID` alone.
   */
  watch(path: string, onEvent: (changed: string) => void): Promise<Watch>;
  /** Called when the connection is lost (false), and when it is back and all watches were requested (true). */
  onConnection(listener: (connected: boolean) => void): void;
  onWatchProblem(listener: WatchProblemListener): void;
  close(): Promise<void>;
}
