/** Who has connected to the control socket, as the kernel says. */
import type { Socket } from 'node:net';
import { loadNative } from '../dataplane/native.js';
import { hasErrno } from '../dataplane/native-errors.js';
import { descriptorOf } from '../http/caller.js';
import type { Caller } from './access.js';

/** Undefined if the connection is closed already. */
export function callerOf(socket: Socket): Caller | undefined {
  const descriptor = descriptorOf(socket);
  if (descriptor === undefined) return undefined;
  try {
    return loadNative().peerCredentials(descriptor);
  } catch (error) {
    // The kernel does not know the other end, e.g. of a socket pair: nobody, then.
    if (hasErrno(error)) return undefined;
    throw error;
  }
}
