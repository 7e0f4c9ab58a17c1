/**
 * One connection to xenstored: requests out, answers in by request id, watch events aside. Knows
 * nothing of reconnecting. Ends with the first fault and then fails everything that waits.
 */
import type { Duplex } from 'node:stream';
import { messageOf, XsockError } from '../errors.js';
import { encodeMessage, type Message, MessageDecoder, MessageType, splitFields } from './wire.js';

interface Waiting {
  readonly message: Omit<Message, 'requestId'>;
  readonly resolve: (answer: Message) => void;
  readonly reject: (error: XsockError) => void;
}

export interface ConnectionHandlers {
  readonly onWatchEvent: (path: string, token: string) => void;
  readonly onEnd: (error: XsockError) => void;
}

function gone(why: string): XsockError {
  return new XsockError('XENSTORE_GONE', `the connection to xenstored is gone: ${why}`);
}

export class Connection {
  readonly #stream: Duplex;
  readonly #maxOutstanding: number;
  readonly #handlers: ConnectionHandlers;
  readonly #decoder = new MessageDecoder();
  readonly #outstanding = new Map<number, Waiting>();
  readonly #queue: Waiting[] = [];
  #nextId = 1;
  #ended: XsockError | undefined;

  /** `maxOutstanding`: requests that may be under way, as the transport says. */
  constructor(stream: Duplex, maxOutstanding: number, handlers: ConnectionHandlers) {
    this.#stream = stream;
    this.#maxOutstanding = maxOutstanding;
    this.#handlers = handlers;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.once('error', error => this.#end(gone(messageOf(error))));
    stream.once('close', () => this.#end(gone('it was closed')));
  }

  /** The answer's payload. Rejects with `XENSTORE` and the errno that xenstored names. */
  async request(type: number, transaction: number, payload: Buffer): Promise<Buffer> {
    const answer = await new Promise<Message>((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      this.#queue.push({ message: { type, transaction, payload }, resolve, reject });
      this.#pump();
    });
    if (answer.type === MessageType.error) {
      const errno = splitFields(answer.payload)?.[0] ?? 'EIO';
      throw new XsockError('XENSTORE', `xenstored answers ${errno}`, { errno });
    }
    if (answer.type !== type) {
      const error = gone(`it answered type ${answer.type} to a request of type ${type}`);
      this.#end(error);
      throw error;
    }
    return answer.payload;
  }

  close(): void {
    this.#end(gone('closed by us'));
  }

  #pump(): void {
    while (this.#outstanding.size < this.#maxOutstanding) {
      const next = this.#queue.shift();
      if (next === undefined) {
        return;
      }
      const requestId = this.#nextId;
      this.#nextId = requestId === 0xffff_ffff ? 1 : requestId + 1;
      this.#outstanding.set(requestId, next);
      this.#stream.write(encodeMessage({ ...next.message, requestId }));
    }
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#decoder.push(chunk)) {
        this.#take(message);
      }
    } catch (error) {
      this.#end(gone(messageOf(error)));
    }
  }

  #take(message: Message): void {
    if (message.type === MessageType.watchEvent) {
      const [path, token] = splitFields(message.payload) ?? [];
      if (path !== undefined && token !== undefined) {
        this.#handlers.onWatchEvent(path, token);
      }
      return;
    }
    const waiting = this.#outstanding.get(message.requestId);
    if (waiting === undefined) {
      this.#end(gone(`it answered request ${message.requestId}, which nobody made`));
      return;
    }
    this.#outstanding.delete(message.requestId);
    waiting.resolve(message);
    this.#pump();
  }

  #end(error: XsockError): void {
    if (this.#ended !== undefined) {
      return;
    }
    this.#ended = error;
    this.#stream.destroy();
    for (const waiting of [...this.#outstanding.values(), ...this.#queue]) {
      waiting.reject(error);
    }
    this.#outstanding.clear();
    this.#queue.length = 0;
    this.#handlers.onEnd(error);
  }
}
