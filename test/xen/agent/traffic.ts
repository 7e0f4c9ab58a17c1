/** Streams that tests open in a domain: checked byte for byte, or held open until they end. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { exchange, hashOf } from '../../support/streams.js';

const servers = new Map<string, Server>();

/** A service that sends back what it gets. */
export async function serveEcho(path: string): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  servers.set(path, server);
}

export interface EchoResult {
  readonly equal: number;
  readonly milliseconds: number;
}

/** `count` streams at once, each with `bytes` random bytes that must come back with the same hash. */
export async function echoStreams(path: string, bytes: number, count: number): Promise<EchoResult> {
  const begin = performance.now();
  const equal = await Promise.all(
    Array.from({ length: count }, async () => {
      const data = randomBytes(bytes);
      return hashOf(await exchange(path, data)) === hashOf(data);
    }),
  );
  return {
    equal: equal.filter(Boolean).length,
    milliseconds: Math.round(performance.now() - begin),
  };
}

interface Load {
  readonly sockets: readonly Socket[];
  readonly ended: Promise<unknown>;
  bytes: number;
  readonly listeners: Set<() => void>;
}

const loads = new Map<string, Load>();

/** Streams to an echo service that are kept busy: what comes back is sent again, for as long as they live. */
export async function startLoad(name: string, path: string, count: number): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ path });
      await once(socket, 'connect');
      return socket;
    }),
  );
  const load: Load = {
    sockets,
    ended: Promise.all(
      sockets.map(socket => new Promise(resolve => socket.once('close', resolve))),
    ),
    bytes: 0,
    listeners: new Set(),
  };
  for (const socket of sockets) {
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      load.bytes += chunk.length;
      socket.write(chunk);
      for (const listener of load.listeners) listener();
    });
    socket.write(randomBytes(4096));
  }
  loads.set(name, load);
}

function find(name: string): Load {
  const load = loads.get(name);
  if (load === undefined) throw new Error(`no load ${name}`);
  return load;
}

/** Waits until `bytes` more have come back than now. */
export function loadFlows(name: string, bytes: number): Promise<void> {
  const load = find(name);
  const goal = load.bytes + bytes;
  return new Promise(resolve => {
    const listener = (): void => {
      if (load.bytes >= goal) {
        load.listeners.delete(listener);
        resolve();
      }
    };
    load.listeners.add(listener);
  });
}

/** Waits until all streams of the load have ended; how many there were. */
export async function loadEnded(name: string): Promise<number> {
  const load = find(name);
  await load.ended;
  loads.delete(name);
  return load.sockets.length;
}

export async function stopLoad(name: string): Promise<void> {
  const load = find(name);
  for (const socket of load.sockets) socket.destroy();
  await loadEnded(name);
}
