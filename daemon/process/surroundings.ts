/** What a daemon needs before it can start: its run directory, its domain's lock, and xenstored. */
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HypervisorChoice } from '../dataplane/dataplane.js';
import { isXsockError, messageOf, XsockError } from '../errors.js';
import { acquireLock, type Lock, lockExisting } from '../lock.js';
import { DAEMON_LOCK } from '../loopback/layout.js';
import { connectXenstore } from '../xenstore/client.js';
import { deviceTransport } from '../xenstore/device-transport.js';
import { unixTransport, type XenstoreTransport } from '../xenstore/transport.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import type { CleanupStack } from './cleanup-stack.js';

/** Creates the run directory if needed, and locks out other daemons. Throws `FILE_ACCESS` or `ALREADY_RUNNING`. */
export async function takeRunDirectory(run: string, cleanup: CleanupStack): Promise<void> {
  try {
    await mkdir(run, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new XsockError(
      'FILE_ACCESS',
      `the run directory '${run}' cannot be created: ${messageOf(error)}`,
      { subject: run, cause: error },
    );
  }
  const lock = acquireLock(join(run, 'lock'));
  cleanup.add(() => lock.release());
}

/** Access to xenstore on Xen: xenstored's socket in domain 0, where only root may use it; the kernel's device. */
const XENSTORED_SOCKET = '/run/xenstored/socket';
const XENBUS_DEVICE = '/dev/xen/xenbus';
/** Part of the package. */
const DEVICE_RULES = 'systemd/rules.d/70-xsock.rules lets the group xsock';
/**
 * On Xen one machine is one domain, and this device is what every daemon needs: a user who may not open it cannot lock
 * others out. A lock file in a world-writable directory could be created, and held, by anybody.
 */
const EVENT_CHANNEL_DEVICE = '/dev/xen/evtchn';

/** True in a domain of a real Xen. */
export function onXen(): boolean {
  return existsSync('/proc/xen') && existsSync(XENBUS_DEVICE);
}

/**
 * Locks out other daemons of this domain, whatever their run directory: two would take each other's nodes
 * in xenstore for stale ones. Throws `ALREADY_RUNNING`, or `HYPERVISOR_UNAVAILABLE` without the device. A
 * loopback domain's directory must exist.
 */
export function takeDomain(
  hypervisor: HypervisorChoice,
  cleanup: CleanupStack,
  device = EVENT_CHANNEL_DEVICE,
): void {
  const lock =
    hypervisor.kind === 'loopback'
      ? acquireLock(join(hypervisor.domainDir, DAEMON_LOCK))
      : lockDevice(device);
  cleanup.add(() => lock.release());
}

function lockDevice(device: string): Lock {
  try {
    return lockExisting(device);
  } catch (error) {
    if (!isXsockError(error, 'FILE_ACCESS')) throw error;
    throw new XsockError(
      'HYPERVISOR_UNAVAILABLE',
      `${error.message}: is the module xen-evtchn loaded, and may this user open the device (${DEVICE_RULES})?`,
      { subject: device, cause: error },
    );
  }
}

function xenstoreOf(hypervisor: HypervisorChoice): {
  readonly transport: XenstoreTransport;
  readonly remedy: string;
} {
  if (hypervisor.kind === 'loopback') {
    const { domainDir } = hypervisor;
    return {
      transport: unixTransport(join(domainDir, 'xenstored')),
      remedy: `does the loopback machine run, and is '${domainDir}' a domain's directory in it?`,
    };
  }
  return usable(XENSTORED_SOCKET)
    ? { transport: unixTransport(XENSTORED_SOCKET), remedy: 'does xenstored run?' }
    : {
        transport: deviceTransport(XENBUS_DEVICE),
        remedy: `is this a Xen domain, and may this user open the device (${DEVICE_RULES})?`,
      };
}

function usable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Connects to xenstore. Throws `HYPERVISOR_UNAVAILABLE`. */
export async function openXenstore(
  hypervisor: HypervisorChoice,
  cleanup: CleanupStack,
): Promise<Xenstore> {
  const { transport, remedy } = xenstoreOf(hypervisor);
  try {
    const xenstore = await connectXenstore(transport);
    cleanup.add(() => xenstore.close());
    cleanup.addCanceller(() => void xenstore.close());
    return xenstore;
  } catch (error) {
    throw new XsockError('HYPERVISOR_UNAVAILABLE', `${messageOf(error)}: ${remedy}`, {
      subject: transport.description,
      cause: error,
    });
  }
}
