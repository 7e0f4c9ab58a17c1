/** xenstore in a guest: the character device /dev/xen/xenbus, which carries the same messages as the socket. */
import { Duplex } from 'node:stream';
import { loadNative, type NativeCharacterDevice } from '../dataplane/native.js';
import { messageOf, XsockError } from '../errors.js';
import type { XenstoreTransport } from './transport.js';

/**
 * Linux (seen on 6.1) hands a request to its xenbus thread where it lies, in the buffer of the open file,
 * and takes the next one into the same buffer: a second request before the answer overwrites the first.
 */
const DEVICE_MAX_OUTSTANDING = 1;

/** Lends a device the form of a stream; the addon reads, writes are short and done at once. */
class DeviceStream extends Duplex {
  readonly #device: NativeCharacterDevice;

  constructor(path: string) {
    super();
    this.#device = new (loadNative().CharacterDevice)(path, data => {
      if (data === undefined) {
        this.destroy(new Error(`${path} has ended`));
      } else {
        this.push(data);
      }
    });
  }

  override _read(): void {
    // The addon pushes whatever comes: xenstored sends only what was asked for or is watched.
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    try {
      this.#device.write(chunk);
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#device.close();
    done(error);
  }
}

export function deviceTransport(path: string): XenstoreTransport {
  return {
    description: path,
    maxOutstanding: DEVICE_MAX_OUTSTANDING,
    connect: async () => {
      try {
        return new DeviceStream(path);
      } catch (error) {
        throw new XsockError('XENSTORE_GONE', `xenstore cannot be reached: ${messageOf(error)}`, {
          subject: path,
          cause: error,
        });
      }
    },
  };
}
