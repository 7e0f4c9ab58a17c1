/**
 * One connection to xenstored: requests out, answers in by request id, watch events aside. Knows
 * nothing of reconnecting. Ends with the first fault, a missing answer included, and then fails all pending
 * requests.
 */
import type { Duplex } from 'node:stream';
import { messageOf, XsockError } from '../errors.js';
import { encodeMessage, type Message, MessageDecoder, MessageType, splitFields } from './wire.js';

interface Waiting {
  readonly message: Omit<Message, 'requestId'>;
  /** Ticks of the connection's clock since it was sent. */
  ticks: number;
  readonly resolve: (answer: Message) => void;
  readonly reject: (error: XsockError) => void;
}

export interface ConnectionHandlers {
  readonly onWatchEvent: (path: string, token: string) => void;
  readonly onEnd: (error: XsockError) => void;
}

export interface ConnectionLimits {
  /** Requests that may be in flight, as the transport says. */
  readonly maxOutstanding: number;
  /**
   * Milliseconds that xenstored has at least for an answer, at most half as many more. Answers come in order: a
   * missing one holds up all, so the connection ends, and with it all unanswered requests.
   */
  readonly answerTimeout: number;
}

/**
 * Time is counted in ticks of half the limit: while this process is stopped, or its domain paused, there is one at
 * most, so that answers of xenstored that are still unread are not taken for missing ones.
 */
const TICKS = 2;

function gone(why: string): XsockError {
  return new XsockError('XENSTORE_GONE', `the connection to xenstored is gone: ${why}`);
}

export class Connection {
  readonly #stream: Duplex;
  readonly #limits: ConnectionLimits;
  readonly #clock: NodeJS.Timeout;
  readonly #handlers: ConnectionHandlers;
  readonly #decoder = new MessageDecoder();
  readonly #outstanding = new Map<number, Waiting>();
  readonly #queue: Waiting[] = [];
  #nextId = 1;
  #ended: XsockError | undefined;

  constructor(stream: Duplex, limits: ConnectionLimits, handlers: ConnectionHandlers) {
    this.#stream = stream;
    this.#limits = limits;
    this.#handlers = handlers;
    this.#clock = setInterval(() => this.#tick(), limits.answerTimeout / TICKS).unref();
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
      this.#queue.push({ message: { type, transaction, payload }, ticks: 0, resolve, reject });
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
    while (this.#outstanding.size < this.#limits.maxOutstanding) {
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

  #tick(): void {
    for (const waiting of this.#outstanding.values()) {
      waiting.ticks += 1;
      if (waiting.ticks > TICKS) {
        const seconds = this.#limits.answerTimeout / 1000;
        this.#end(gone(`xenstored has not answered a request within ${seconds} s`));
        return;
      }
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
      this.#end(gone(`it answered request ${message.requestId}, which was not sent`));
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
    clearInterval(this.#clock);
    this.#stream.destroy();
    for (const waiting of [...this.#outstanding.values(), ...this.#queue]) {
      waiting.reject(error);
    }
    this.#outstanding.clear();
    this.#queue.length = 0;
    this.#handlers.onEnd(error);
  }
}
