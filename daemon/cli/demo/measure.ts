/** One throughput and one round-trip figure, measured by an ordinary Node program through a path. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

const MEGABYTE = 1e6;

/** Sends `bytes` to a service that sends everything back; megabytes a second, one way. */
export async function throughput(path: string, bytes: number): Promise<number> {
  const socket = connect(path);
  await once(socket, 'connect');
  const block = Buffer.alloc(1 << 20);
  let received = 0;
  const start = performance.now();
  const all = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= bytes) {
        resolve();
      }
    });
    socket.once('error', reject);
  });
  for (let sent = 0; sent < bytes; sent += block.length) {
    if (!socket.write(block)) {
      await once(socket, 'drain');
    }
  }
  await all;
  const seconds = (performance.now() - start) / 1000;
  socket.destroy();
  return received / MEGABYTE / seconds;
}

/** The median time in microseconds for 64 bytes to a service that sends them back. */
export async function roundTrip(path: string, rounds: number): Promise<number> {
  const socket = connect(path);
  await once(socket, 'connect');
  const message = Buffer.alloc(64);
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    let received = 0;
    socket.write(message);
    while (received < message.length) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      received += chunk.length;
    }
    times.push(performance.now() - start);
  }
  socket.destroy();
  times.sort((a, b) => a - b);
  return Math.round((times[Math.floor(rounds / 2)] ?? 0) * 1000);
}
