/** Standard error as a terminal: Node writes to it synchronously, however long that takes. */
import type { Writable } from 'node:stream';

/** libuv's handle, which Node does not document. */
interface WithHandle {
  readonly _handle?: { readonly setBlocking?: (blocking: boolean) => number } | null;
}

/**
 * Stopped output (Ctrl-S, a session that hangs) would stop the whole process. From now on what the
 * terminal does not accept is buffered, as with a pipe.
 */
export function neverBlock(stream: Writable & { readonly isTTY?: boolean }): void {
  if (stream.isTTY === true) (stream as WithHandle)._handle?.setBlocking?.(false);
}
