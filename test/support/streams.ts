/** Programs' ends of streams: services to connect to, and what a client sends, reads and compares. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';

/** Listens until the test ends; both directions end separately. */
export async function serve(
  t: Test,
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket);
    // Programs vanish in these tests: what matters is what the other end sees.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return server;
}

/** Sends back what it gets, to the end. */
export function echo(socket: Socket): void {
  socket.pipe(socket);
}

export async function dial(path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

export function hashOf(...parts: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Everything up to end-of-file, the socket stays writable; rejects if the stream is reset instead. */
export function readAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('end', () => resolve(Buffer.concat(chunks)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed before its end-of-file')));
  });
}

/** Sends `data` and an end-of-file while reading to the other's end-of-file. */
export async function exchange(path: string, data: Buffer): Promise<Buffer> {
  const socket = await dial(path);
  const answer = readAll(socket);
  socket.end(data);
  return answer;
}

/** True if `length` random bytes come back as they were sent. */
export async function echoes(path: string, length: number): Promise<boolean> {
  const data = randomBytes(length);
  return hashOf(await exchange(path, data)) === hashOf(data);
}

/**
 * Resolves when the stream has ended for the program. A UNIX socket tells a reset from an end-of-file
 * only if the other end had bytes unread (unix(7)), so tests take both. To be called before it ends.
 */
export async function ended(socket: Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  socket.resume();
  await new Promise<void>(resolve => {
    socket.once('end', resolve);
    socket.once('close', () => resolve());
  });
}
