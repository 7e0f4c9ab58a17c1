/** Removes our nodes in xenstore: those of an earlier daemon of this domain, or our own at the end. */
import { isXsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { publishedDirectory } from '../xenstore/paths.js';
import type { Xenstore } from '../xenstore/xenstore.js';

/** While `stopping` it is no error that xenstored is gone, and the nodes with it. */
export async function removeStaleNodes(
  xenstore: Xenstore,
  domid: DomId,
  stopping: boolean,
): Promise<void> {
  try {
    // Absent also after a restore: the old home is not ours any more.
    await unlessAbsent(xenstore.remove(publishedDirectory(domid)));
  } catch (error) {
    if (!(stopping && isXsockError(error, 'XENSTORE_GONE'))) throw error;
  }
}
