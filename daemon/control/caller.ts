/** The caller on the control socket, as the kernel identifies it. */
import type { Socket } from 'node:net';
import { loadNative } from '../dataplane/native.js';
import { hasErrno } from '../dataplane/native-errors.js';
import { descriptorOf } from '../http/caller.js';
import type { Caller } from './access.js';

/** Undefined if the connection is already closed. */
export function callerOf(socket: Socket): Caller | undefined {
  const descriptor = descriptorOf(socket);
  if (descriptor === undefined) return undefined;
  try {
    return loadNative().peerCredentials(descriptor);
  } catch (error) {
    // The kernel does not know the other end, e.g. of a socket pair: an unknown caller.
    if (hasErrno(error)) return undefined;
    throw error;
  }
}
