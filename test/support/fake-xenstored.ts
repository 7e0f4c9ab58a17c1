/** A server on a UNIX socket that speaks xenstore's messages and answers as the test says. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import {
  encodeMessage,
  joinFields,
  type Message,
  MessageDecoder,
  MessageType,
} from '../../daemon/xenstore/wire.js';
import { temporaryDirectory } from './temp-directory.js';

/** The test sees every request. */
export async function fakeXenstored(t: Test, answer: (message: Message, socket: Socket) => void) {
  const path = join(temporaryDirectory(t), 'xs');
  const sockets: Socket[] = [];
  const server = createServer(socket => {
    sockets.push(socket);
    const decoder = new MessageDecoder();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const message of decoder.push(chunk)) answer(message, socket);
    });
  });
  server.listen(path);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { path, sockets };
}

export function reply(
  socket: Socket,
  { type, requestId, transaction }: Message,
  payload: Buffer = joinFields(['OK']),
): void {
  socket.write(encodeMessage({ type, requestId, transaction, payload }));
}

export function refuse(socket: Socket, message: Message, errno: string): void {
  reply(socket, { ...message, type: MessageType.error }, joinFields([errno]));
}

export function watchEvent(socket: Socket, path: string, token: string): void {
  const payload = joinFields([path, token]);
  socket.write(
    encodeMessage({ type: MessageType.watchEvent, requestId: 0, transaction: 0, payload }),
  );
}

/** Waits of the client that are none. */
export const fast = { reconnectDelay: () => 1, retryDelay: () => 0, refusedDelay: () => 1 };
