/**
 * xenstore's wire protocol (docs/misc/xenstore.txt and xen/include/public/io/xs_wire.h of the Xen tree):
 * a header of four little-endian u32, then up to 4096 bytes. Pure; used by the client and by the
 * loopback machine's xenstored.
 */

export const HEADER_SIZE = 16;
/** XENSTORE_PAYLOAD_MAX: a longer payload ends the connection. */
export const MAX_PAYLOAD = 4096;

/** `enum xsd_sockmsg_type`. */
export const MessageType = {
  control: 0,
  directory: 1,
  read: 2,
  getPermissions: 3,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  introduce: 8,
  release: 9,
  getDomainPath: 10,
  write: 11,
  mkdir: 12,
  remove: 13,
  setPermissions: 14,
  watchEvent: 15,
  error: 16,
  isDomainIntroduced: 17,
  resume: 18,
  setTarget: 19,
  resetWatches: 21,
  directoryPart: 22,
} as const;

export interface Message {
  readonly type: number;
  /** Chosen by the client, repeated in the answer. */
  readonly requestId: number;
  /** 0 outside of transactions. */
  readonly transaction: number;
  readonly payload: Buffer;
}

/** The stream cannot be read on: close the connection. */
export class WireError extends Error {}

export function encodeMessage(message: Message): Buffer {
  if (message.payload.length > MAX_PAYLOAD) {
    throw new WireError(`a payload of ${message.payload.length} bytes is over ${MAX_PAYLOAD}`);
  }
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32LE(message.type, 0);
  header.writeUInt32LE(message.requestId, 4);
  header.writeUInt32LE(message.transaction, 8);
  header.writeUInt32LE(message.payload.length, 12);
  return Buffer.concat([header, message.payload]);
}

/** Puts messages together from chunks cut anywhere. */
export class MessageDecoder {
  private pending: Buffer = Buffer.alloc(0);

  /** Throws WireError when the length in a header is over the limit. */
  push(chunk: Buffer): Message[] {
    let data = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const messages: Message[] = [];
    while (data.length >= HEADER_SIZE) {
      const length = data.readUInt32LE(12);
      if (length > MAX_PAYLOAD) {
        throw new WireError(`a payload of ${length} bytes is over ${MAX_PAYLOAD}`);
      }
      if (data.length < HEADER_SIZE + length) {
        break;
      }
      messages.push({
        type: data.readUInt32LE(0),
        requestId: data.readUInt32LE(4),
        transaction: data.readUInt32LE(8),
        payload: Buffer.from(data.subarray(HEADER_SIZE, HEADER_SIZE + length)),
      });
      data = data.subarray(HEADER_SIZE + length);
    }
    this.pending = Buffer.from(data);
    return messages;
  }
}

/** Text fields, each ended by a NUL. */
export function joinFields(fields: readonly string[]): Buffer {
  return Buffer.from(fields.map(field => `${field}\0`).join(''), 'utf8');
}

/** The NUL-ended fields of a payload; undefined if the last one has no NUL. */
export function splitFields(payload: Buffer): string[] | undefined {
  if (payload.length === 0) {
    return [];
  }
  const text = payload.toString('utf8');
  return text.endsWith('\0') ? text.slice(0, -1).split('\0') : undefined;
}
