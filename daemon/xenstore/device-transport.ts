/**
 * xenstore in a guest: the character device /dev/xen/xenbus, which carries the same messages as the socket. Linux
 * answers those about watches itself, within the write, once xenstored has answered its own request for them: see
 * `watchesBlock` in transport.ts, and below for refusals.
 */
import { Duplex } from 'node:stream';
import { loadNative, type NativeCharacterDevice } from '../dataplane/native.js';
import { hasErrno } from '../dataplane/native-errors.js';
import { messageOf, XsockError } from '../errors.js';
import type { XenstoreTransport } from './transport.js';
import { encodeMessage, joinFields, MessageDecoder, MessageType } from './wire.js';

/**
 * Linux (seen on 6.1) passes a request to its xenbus thread in place, in the buffer of the open file,
 * and takes the next one into the same buffer: a second request before the answer overwrites the first.
 */
const DEVICE_MAX_OUTSTANDING = 1;

/** `onData`: with bytes; without any at the end. */
export type OpenDevice = (
  path: string,
  onData: (data: Buffer | undefined) => void,
) => NativeCharacterDevice;

const openNative: OpenDevice = (path, onData) => new (loadNative().CharacterDevice)(path, onData);

/** Gives a device the form of a stream; the addon reads, writes are short and synchronous. */
class DeviceStream extends Duplex {
  readonly #device: NativeCharacterDevice;

  constructor(path: string, open: OpenDevice) {
    super();
    this.#device = open(path, data => {
      if (data === undefined) {
        this.destroy(new Error(`${path} has ended`));
      } else {
        this.push(data);
      }
    });
  }

  override _read(): void {
    // The addon pushes whatever arrives: xenstored sends only what was asked for or is watched.
  }

  /** One message at a time, as Connection writes them. */
  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    try {
      this.#device.write(chunk);
    } catch (error) {
      const refusal = asAnswer(chunk, error);
      if (refusal === undefined) {
        done(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      this.push(refusal);
    }
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#device.close();
    done(error);
  }
}

/** xenstored's refusal of a watch (a quota, say) is the write's errno; on a socket it is an answer. */
function asAnswer(request: Buffer, error: unknown): Buffer | undefined {
  const [message] = new MessageDecoder().push(request);
  const aboutWatch = message?.type === MessageType.watch || message?.type === MessageType.unwatch;
  return message !== undefined && aboutWatch && hasErrno(error)
    ? encodeMessage({ ...message, type: MessageType.error, payload: joinFields([error.code]) })
    : undefined;
}

/** `open`: the addon's, unless a test has another. */
export function deviceTransport(path: string, open: OpenDevice = openNative): XenstoreTransport {
  return {
    description: path,
    maxOutstanding: DEVICE_MAX_OUTSTANDING,
    watchesBlock: true,
    connect: async () => {
      try {
        return new DeviceStream(path, open);
      } catch (error) {
        throw new XsockError('XENSTORE_GONE', `xenstore cannot be reached: ${messageOf(error)}`, {
          subject: path,
          cause: error,
        });
      }
    },
  };
}
