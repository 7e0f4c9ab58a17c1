/** What a daemon needs around it before it can start: its run directory, and xenstored. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, XsockError } from '../errors.js';
import { acquireLock } from '../lock.js';
import { DAEMON_LOCK } from '../loopback/layout.js';
import { connectXenstore } from '../xenstore/client.js';
import { unixTransport } from '../xenstore/transport.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import type { Opened } from './opened.js';

/** Creates the run directory if need be, and keeps others out. Throws `FILE_ACCESS` or `ALREADY_RUNNING`. */
export async function takeRunDirectory(run: string, opened: Opened): Promise<void> {
  try {
    await mkdir(run, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new XsockError(
      'FILE_ACCESS',
      `the run directory '${run}' cannot be created: ${messageOf(error)}`,
      { subject: run, cause: error },
    );
  }
  const lock = await acquireLock(join(run, 'lock'));
  opened.add(() => lock.release());
}

/**
 * Keeps other daemons of this domain out, whatever their run directory: two would take each other's nodes
 * in xenstore for left-overs. Throws `ALREADY_RUNNING`. The domain's directory must exist.
 */
export async function takeDomain(loopbackDir: string, opened: Opened): Promise<void> {
  const lock = await acquireLock(join(loopbackDir, DAEMON_LOCK));
  opened.add(() => lock.release());
}

/** Connects to the loopback machine's xenstored. Throws `HYPERVISOR_UNAVAILABLE`. */
export async function openXenstore(loopbackDir: string, opened: Opened): Promise<Xenstore> {
  try {
    const xenstore = await connectXenstore(unixTransport(join(loopbackDir, 'xenstored')));
    opened.add(() => xenstore.close());
    return xenstore;
  } catch (error) {
    throw new XsockError(
      'HYPERVISOR_UNAVAILABLE',
      `${messageOf(error)}: does the loopback machine run, and is '${loopbackDir}' a domain's directory in it?`,
      { subject: loopbackDir, cause: error },
    );
  }
}
