/** This domain's identity, as xenstore has it. */
import { XsockError } from '../errors.js';
import { type DomId, parseDomId } from '../ids.js';
import { escapeForDisplay } from '../text/escape.js';
import { isDomainName } from '../text/names.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { OWN_DOMID, OWN_NAME } from '../xenstore/paths.js';
import type { Xenstore } from '../xenstore/xenstore.js';

/** Throws `XENSTORE` if the node is missing or invalid. */
export async function readOwnDomid(xenstore: Xenstore): Promise<DomId> {
  const text = await xenstore.read(OWN_DOMID);
  const domid = parseDomId(text);
  if (domid === undefined) {
    throw new XsockError(
      'XENSTORE',
      `xenstore's '${OWN_DOMID}' is '${escapeForDisplay(text)}', which is no domid`,
    );
  }
  return domid;
}

/** Undefined if xenstore has none, or one that cannot be a file name. */
export async function readOwnName(xenstore: Xenstore): Promise<string | undefined> {
  const name = await unlessAbsent(xenstore.read(OWN_NAME));
  return name !== undefined && isDomainName(name) ? name : undefined;
}
