/**
 * Tells when this domain was saved and restored, or migrated. Grants and event channels do not come along,
 * the domid may be another, and what we had published is gone; open links are dead without a word. Linux
 * sets all watches again then, so each fires: that is the one sign that there is.
 */
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import { daemonNode, OWN_DOMID } from '../xenstore/paths.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';

/**
 * Calls back once this start's mark (`instance`) is lost: under this domid, or with the domid. Not for
 * domain 0, which cannot be restored, but can lose xenstored with all its nodes.
 */
export async function watchRestored(
  xenstore: Xenstore,
  domid: DomId,
  instance: string,
  onRestored: () => void,
): Promise<Watch> {
  let told = false;
  const look = async (): Promise<void> => {
    const still =
      (await readNode(xenstore, OWN_DOMID)) === String(domid) &&
      (await readNode(xenstore, daemonNode(domid))) === instance;
    if (!still && !told) {
      told = true;
      onRestored();
    }
  };
  return xenstore.watch(OWN_DOMID, () => {
    look().catch((error: unknown) => {
      // It fires again when xenstored is back.
      if (!isXsockError(error, 'XENSTORE_GONE')) {
        throw error;
      }
    });
  });
}

async function readNode(xenstore: Xenstore, path: string): Promise<string | undefined> {
  try {
    return await xenstore.read(path);
  } catch (error) {
    if (isXsockError(error, 'XENSTORE')) {
      return undefined;
    }
    throw error;
  }
}
