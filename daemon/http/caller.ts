/** The descriptor of a connection that Node accepted, for asking the kernel about its peer. */
import type { Socket } from 'node:net';

/** libuv's handle, which Node does not document but has carried unchanged since its first versions. */
interface WithHandle {
  readonly _handle?: { readonly fd?: unknown } | null;
}

/** Undefined once the connection is closed. */
export function descriptorOf(socket: Socket): number | undefined {
  const fd = (socket as unknown as WithHandle)._handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
