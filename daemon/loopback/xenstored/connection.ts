/**
 * One socket to the store: decodes requests, answers them in order, sends watch events. A client that
 * does not read is not read from either, and its events are bounded (XSA-326).
 */
import type { Socket } from 'node:net';
import {
  encodeMessage,
  joinFields,
  MAX_PAYLOAD,
  MessageDecoder,
  MessageType,
  WireError,
} from '../../xenstore/wire.js';
import { answerRequest } from './requests.js';
import { Session } from './session.js';
import type { Store } from './store.js';

export class Connection {
  readonly #socket: Socket;
  readonly #store: Store;
  readonly #session: Session;
  readonly #decoder = new MessageDecoder();
  /** Events that wait for the client to read, each once, oldest first. */
  readonly #pending = new Map<string, readonly [path: string, token: string]>();

  constructor(socket: Socket, store: Store, domid: number) {
    this.#socket = socket;
    this.#store = store;
    this.#session = new Session(domid, (path, token) => this.#event(path, token));
    store.open(this.#session);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#resume());
    // A client may die at any moment; 'close' follows and cleans up.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => store.close(this.#session));
  }

  get domid(): number {
    return this.#session.domid;
  }

  destroy(): void {
    this.#socket.destroy();
    this.#store.close(this.#session);
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#decoder.push(chunk)) {
        if (!this.#socket.destroyed) {
          this.#send(encodeMessage(answerRequest(this.#store, this.#session, message)));
          this.#session.fireFresh();
        }
      }
    } catch (error) {
      if (!(error instanceof WireError)) {
        throw error;
      }
      this.destroy();
    }
  }

  #send(data: Buffer): void {
    if (!this.#socket.write(data)) {
      this.#socket.pause();
    }
  }

  #event(path: string, token: string): void {
    if (!this.#socket.writableNeedDrain) {
      this.#sendEvent(path, token);
      return;
    }
    this.#pending.set(`${path}\0${token}`, [path, token]);
    if (this.#pending.size > this.#store.limits.pendingEvents) {
      this.destroy();
    }
  }

  #sendEvent(path: string, token: string): void {
    const payload = joinFields([path, token]);
    // A token may be as long as a payload: such an event cannot be sent.
    if (payload.length <= MAX_PAYLOAD) {
      this.#send(
        encodeMessage({ type: MessageType.watchEvent, requestId: 0, transaction: 0, payload }),
      );
    }
  }

  #resume(): void {
    for (const [key, [path, token]] of this.#pending) {
      if (this.#socket.writableNeedDrain) {
        return;
      }
      this.#pending.delete(key);
      this.#sendEvent(path, token);
    }
    this.#socket.resume();
  }
}
