/**
 * The local socket that leads to a vchan server in another domain. Created beside its path and moved there
 * later, so that a reload that fails in between has changed nothing. Takes no path that is not
 * its own, and removes only the very file that it created.
 */
import { mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { VchanPlane } from '../dataplane/vchan.js';
import { isXsockError, messageOf, XsockError } from '../errors.js';
import { freeSocketPath } from '../http/unix-path.js';
import type { DomId } from '../ids.js';
import type { LineLog } from '../log/peer-logs.js';
import { isThere, removeIfThere, type SocketFile, socketFileAt } from '../service/socket-file.js';

/** Its configuration. */
export interface ListenerSettings {
  readonly peer: DomId;
  /** The server's path in xenstore. */
  readonly vchan: string;
  /** The socket. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export class VchanListener {
  readonly id: number;
  readonly #plane: VchanPlane;
  readonly #log: LineLog;
  readonly #place: string;
  /** Where it is now; undefined if it was removed while it was being created. */
  #file: SocketFile | undefined;

  private constructor(plane: VchanPlane, log: LineLog, id: number, place: string, made: string) {
    this.#plane = plane;
    this.#log = log;
    this.id = id;
    this.#place = place;
    this.#file = socketFileAt(made);
  }

  /**
   * Listens beside `settings.path`, where at most `replaced` may be; `index` distinguishes those that are
   * made at the same time. Throws `PATH_TAKEN`, `PATH_TOO_LONG`, `FILE_ACCESS` or `DATAPLANE`.
   */
  static async open(
    plane: VchanPlane,
    log: LineLog,
    settings: ListenerSettings,
    replaced: VchanListener | undefined,
    index: number,
  ): Promise<VchanListener> {
    const { path, mode, uid, gid } = settings;
    makeDirectory(dirname(path));
    try {
      if (replaced?.isInPlace !== true) await freeSocketPath(path);
      const made = join(dirname(path), `~v${index}`);
      return new VchanListener(plane, log, plane.listen(made, mode, uid, gid), path, made);
    } catch (error) {
      removeDirectories(path);
      throw naming(path, error);
    }
  }

  get isInPlace(): boolean {
    return this.#file?.path === this.#place && isThere(this.#file);
  }

  /** From now on programs find it. Throws the error of rename(2). */
  moveToPlace(): void {
    if (this.#file === undefined) throw new XsockError('FILE_ACCESS', this.#lost());
    renameSync(this.#file.path, this.#place);
    this.#file = { ...this.#file, path: this.#place };
  }

  /** The file first: should the plane be closed already, it must not stay. */
  close(): void {
    try {
      if (this.#file !== undefined) removeIfThere(this.#file);
    } catch (error) {
      this.#log.warn({ err: error, path: this.#place }, 'failed to remove the socket');
    }
    removeDirectories(this.#place);
    this.#plane.unlisten(this.id);
  }

  #lost(): string {
    return `the socket for ${this.#place} was removed while it was made: does another program use the run directory?`;
  }
}

/** The final path, not the one beside it where the socket was created. */
function naming(path: string, error: unknown): unknown {
  if (!isXsockError(error, 'DATAPLANE')) return error;
  return new XsockError('DATAPLANE', `the socket '${path}': ${error.message}`, {
    ...(error.errno === undefined ? {} : { errno: error.errno }),
    ...(error.syscall === undefined ? {} : { syscall: error.syscall }),
    subject: path,
    cause: error,
  });
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new XsockError('FILE_ACCESS', `cannot make '${directory}': ${messageOf(error)}`, {
      subject: directory,
      cause: error,
    });
  }
}

/** Removes `<run>/vchan/<domid>` and `<run>/vchan` if nothing else is in them. */
function removeDirectories(path: string): void {
  for (const directory of [dirname(path), dirname(dirname(path))]) {
    try {
      rmdirSync(directory);
    } catch {
      // Not empty, or gone: both are as they should be.
    }
  }
}
