/**
 * Nodes that may not be there. xenstored says so in two ways: ENOENT, and EACCES where the caller may not know
 * (a dead domain's nodes under C xenstored; the old home of a domain that was restored under another domid). Any
 * other refusal says nothing about the node and is thrown.
 */
import { isXsockError } from '../errors.js';

/** What the operation results in; undefined if its node is not there. */
export async function unlessAbsent<Value>(operation: Promise<Value>): Promise<Value | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (isXsockError(error, 'XENSTORE', 'ENOENT') || isXsockError(error, 'XENSTORE', 'EACCES')) {
      return undefined;
    }
    throw error;
  }
}
