/**
 * The payload of a SERVICES message: what one domain may open in the other. Layout (docs/protocol.md): u8
 * version, then for each service u16 port (little-endian, 0: none), u8 length of the name (0: none),
 * name. Decoding trusts nothing.
 */
import { XsockError } from '../errors.js';
import type { AnnouncedService } from '../policy/import.js';
import { escapeForDisplay } from '../text/escape.js';
import { serviceNameFault } from '../text/names.js';

export const SERVICES_VERSION = 1;
/** Bytes; the same bound holds for what the data plane puts together from frames. */
export const MAX_SERVICES_MESSAGE = 65_536;

const ENTRY_HEADER = 3;

/** Bytes of a list without services, and what each service adds. */
export const EMPTY_SERVICES_MESSAGE = 1;

export function announcedBytes({ name = '' }: AnnouncedService): number {
  return ENTRY_HEADER + name.length;
}

/** As many of them as fit in one message, from the first on. */
export function servicesThatFit(
  services: readonly AnnouncedService[],
): readonly AnnouncedService[] {
  let bytes = EMPTY_SERVICES_MESSAGE;
  const end = services.findIndex(service => {
    bytes += announcedBytes(service);
    return bytes > MAX_SERVICES_MESSAGE;
  });
  return end === -1 ? services : services.slice(0, end);
}

/** Throws `PEER_PROTOCOL` if the list does not fit in one message. */
export function encodeServices(services: readonly AnnouncedService[]): Uint8Array {
  const parts = [Buffer.from([SERVICES_VERSION])];
  for (const { name = '', port = 0 } of services) {
    const header = Buffer.alloc(ENTRY_HEADER);
    header.writeUInt16LE(port, 0);
    header.writeUInt8(name.length, 2);
    parts.push(header, Buffer.from(name, 'latin1'));
  }
  const message = Buffer.concat(parts);
  if (message.length > MAX_SERVICES_MESSAGE) {
    throw new XsockError(
      'PEER_PROTOCOL',
      `${services.length} services take ${message.length} bytes to announce, at most ${MAX_SERVICES_MESSAGE} are possible: export fewer`,
    );
  }
  return message;
}

function malformed(what: string): XsockError {
  return new XsockError('PEER_PROTOCOL', `the peer's list of services is malformed: ${what}`);
}

/** Throws `PEER_PROTOCOL` for anything that a correct peer does not send. */
export function decodeServices(payload: Uint8Array): readonly AnnouncedService[] {
  const message = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (message[0] !== SERVICES_VERSION) {
    throw malformed(`version ${message[0] ?? 'missing'}`);
  }
  const services: AnnouncedService[] = [];
  const names = new Set<string>();
  const ports = new Set<number>();
  let offset = 1;
  while (offset < message.length) {
    if (message.length - offset < ENTRY_HEADER) {
      throw malformed(`it ends within entry ${services.length}`);
    }
    const port = message.readUInt16LE(offset);
    const length = message.readUInt8(offset + 2);
    offset += ENTRY_HEADER;
    if (message.length - offset < length) {
      throw malformed(`it ends within entry ${services.length}`);
    }
    const name = message.toString('latin1', offset, offset + length);
    offset += length;
    checkEntry(name, port, names, ports);
    services.push({ name: name || undefined, port: port || undefined });
  }
  return services;
}

function checkEntry(name: string, port: number, names: Set<string>, ports: Set<number>): void {
  if (name === '' && port === 0) {
    throw malformed('an entry has neither name nor port');
  }
  if (name !== '') {
    const fault = serviceNameFault(name);
    if (fault !== undefined) {
      throw malformed(`the name "${escapeForDisplay(name)}": ${fault}`);
    }
    if (names.has(name)) {
      throw malformed(`the name "${name}" comes twice`);
    }
    names.add(name);
  }
  if (port !== 0) {
    if (ports.has(port)) {
      throw malformed(`port ${port} comes twice`);
    }
    ports.add(port);
  }
}
