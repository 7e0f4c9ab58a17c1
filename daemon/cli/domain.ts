/** Which domain an operand means: a domid, or a name that the daemon knows. */
import type { ControlModel } from '../control/model.js';
import { XsockError } from '../errors.js';
import { parseDomId } from '../ids.js';
import { escapeForDisplay } from '../text/escape.js';

/**
 * The domid that `text` means. A name is looked up among this domain and its peers. Throws
 * `CONTROL_REFUSED` for a name that no domain has, or that several have.
 */
export async function resolveDomain(
  text: string,
  model: Pick<ControlModel, 'status'>,
): Promise<number> {
  const domid = parseDomId(text);
  if (domid !== undefined) return domid;
  const status = await model.status();
  const found = [status, ...status.peers].filter(domain => domain.name === text);
  const domids = new Set(found.map(domain => domain.domid));
  const [only, ...others] = domids;
  if (only === undefined) {
    throw new XsockError(
      'CONTROL_REFUSED',
      `the daemon knows no domain '${escapeForDisplay(text)}': 'xsock status' lists them`,
    );
  }
  if (others.length > 0) {
    throw new XsockError(
      'CONTROL_REFUSED',
      `several domains are called '${escapeForDisplay(text)}': say which by its domid (${[...domids].join(', ')})`,
    );
  }
  return only;
}
