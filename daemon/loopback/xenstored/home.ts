/** The nodes that the toolstack creates in xenstore for a domain, as libxl does. */
import type { Permission } from '../../xenstore/xenstore.js';
import { DEFAULT_LIMITS } from './limits.js';
import { PRIVILEGED } from './permissions.js';
import { homeOf } from './requests.js';
import { makeNode, removeNode, setNodePermissions, writeNode } from './state.js';
import type { Store } from './store.js';
import { splitPath } from './tree.js';

export interface Home {
  readonly domid: number;
  readonly name: string;
  readonly uuid: string;
}

/** The home is domain 0's and readable by the domain; `data` is the domain's own. */
export function createHome(store: Store, { domid, name, uuid }: Home): void {
  const home = homeOf(domid);
  const vm = `/vm/${uuid}`;
  const readable: readonly Permission[] = [
    { access: 'n', domid: PRIVILEGED },
    { access: 'r', domid },
  ];
  store.applyNow((state, observer) => {
    const actor = { domid: PRIVILEGED, limits: DEFAULT_LIMITS, observer };
    let next = state;
    for (const [path, value] of [
      [home, ''],
      [`${home}/name`, name],
      [`${home}/domid`, String(domid)],
      [`${home}/vm`, vm],
      [`${vm}/name`, name],
      [`${vm}/uuid`, uuid],
    ] as const) {
      next = writeNode(next, actor, splitPath(path), Buffer.from(value));
      next = setNodePermissions(next, actor, splitPath(path), readable);
    }
    next = makeNode(next, actor, splitPath(`${home}/data`));
    return setNodePermissions(next, actor, splitPath(`${home}/data`), [{ access: 'n', domid }]);
  });
}

export function removeHome(store: Store, { domid, uuid }: Home): void {
  store.applyNow((state, observer) => {
    const actor = { domid: PRIVILEGED, limits: DEFAULT_LIMITS, observer };
    return removeNode(
      removeNode(state, actor, splitPath(homeOf(domid))),
      actor,
      splitPath(`/vm/${uuid}`),
    );
  });
}
