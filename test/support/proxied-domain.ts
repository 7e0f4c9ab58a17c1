/** A directory of a loopback domain whose way to xenstored the test can make hang, or cut. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Testbed } from './testbed.js';

export async function proxiedDomain(t: Test, testbed: Testbed, domid: number) {
  const directory = testbed.path(`p${domid}`);
  mkdirSync(directory);
  const domain = join(testbed.directory, 'm', 'domains', String(domid));
  symlinkSync(join(domain, 'hypercall'), join(directory, 'hypercall'));
  let hung = false;
  const sockets = new Set<Socket>();
  const proxy = createServer(from => {
    const to = connect(join(domain, 'xenstored'));
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.on('data', data => {
        if (!hung) other.write(data);
      });
    }
  });
  await new Promise<void>(resolve => proxy.listen(join(directory, 'xenstored'), resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(() => {
    proxy.close();
    cut();
  });
  /** From now on xenstored gets nothing and says nothing. */
  const hang = (): void => {
    hung = true;
  };
  return { directory, hang, cut };
}
