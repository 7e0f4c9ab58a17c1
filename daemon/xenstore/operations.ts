/** The requests of one transaction (or of none, id 0) in terms of a connection. Checks before it sends. */
import { XsockError } from '../errors.js';
import type { Connection } from './connection.js';
import { formatPermission, parsePermission, pathProblem } from './rules.js';
import { joinFields, MessageType, splitFields } from './wire.js';
import type { Permission, XenstoreOperations } from './xenstore.js';

/**
 * Bytes of one request. The protocol's limit is 4096, but in a guest a request of 4095 bytes makes
 * /dev/xen/xenbus fail for good (measured on Linux 6.1): half of it is plenty.
 */
const MAX_REQUEST = 2048;

function invalid(path: string, problem: string): XsockError {
  return new XsockError('XENSTORE_INVALID', `xenstore path '${path}': ${problem}`, {
    subject: path,
  });
}

export class Operations implements XenstoreOperations {
  readonly #connection: () => Connection;
  readonly #transaction: number;

  constructor(connection: () => Connection, transaction: number) {
    this.#connection = connection;
    this.#transaction = transaction;
  }

  async read(path: string): Promise<string> {
    return (await this.#request('read', path)).toString('utf8');
  }

  async list(path: string): Promise<readonly string[]> {
    try {
      return splitFields(await this.#request('directory', path)) ?? [];
    } catch (error) {
      if (error instanceof XsockError && error.errno === 'E2BIG') {
        return await this.#listInParts(path);
      }
      throw error;
    }
  }

  async write(path: string, value: string): Promise<void> {
    await this.#request('write', path, Buffer.from(value, 'utf8'));
  }

  async mkdir(path: string): Promise<void> {
    await this.#request('mkdir', path);
  }

  async remove(path: string): Promise<void> {
    await this.#request('remove', path);
  }

  async getPermissions(path: string): Promise<readonly Permission[]> {
    const fields = splitFields(await this.#request('getPermissions', path)) ?? [];
    return fields.flatMap(field => parsePermission(field) ?? []);
  }

  async setPermissions(path: string, permissions: readonly Permission[]): Promise<void> {
    await this.#request('setPermissions', path, joinFields(permissions.map(formatPermission)));
  }

  /** DIRECTORY_PART: the list in parts, restarted when the node changes meanwhile. */
  async #listInParts(path: string): Promise<readonly string[]> {
    for (;;) {
      let text = '';
      let generation: string | undefined;
      let changed = false;
      while (!changed) {
        const offset = joinFields([String(Buffer.byteLength(text))]);
        const part = (await this.#request('directoryPart', path, offset)).toString('utf8');
        const end = part.indexOf('\0');
        changed = generation !== undefined && generation !== part.slice(0, end);
        generation = part.slice(0, end);
        text += part.slice(end + 1);
        if (!changed && text.endsWith('\0\0')) {
          return text.slice(0, -2).split('\0');
        }
        if (!changed && text === '\0') {
          return [];
        }
      }
    }
  }

  async #request(
    kind: keyof typeof MessageType,
    path: string,
    rest: Buffer = Buffer.alloc(0),
  ): Promise<Buffer> {
    const problem = pathProblem(path);
    if (problem !== undefined) {
      throw invalid(path, problem);
    }
    const payload = Buffer.concat([joinFields([path]), rest]);
    if (payload.length > MAX_REQUEST) {
      throw invalid(path, `the request has ${payload.length} bytes, at most ${MAX_REQUEST} fit`);
    }
    try {
      return await this.#connection().request(MessageType[kind], this.#transaction, payload);
    } catch (error) {
      if (error instanceof XsockError && error.code === 'XENSTORE') {
        throw new XsockError('XENSTORE', `xenstore ${kind} '${path}': ${error.errno}`, {
          ...(error.errno === undefined ? {} : { errno: error.errno }),
          syscall: kind,
          subject: path,
        });
      }
      throw error;
    }
  }
}
