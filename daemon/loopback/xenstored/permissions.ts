/** Who may do what to a node (docs/misc/xenstore.txt). Pure. */
import type { Permission } from '../../xenstore/xenstore.js';
import type { Node } from './tree.js';

/** Domain 0 is privileged: neither rights nor quotas bind it. */
export const PRIVILEGED = 0;

export function ownerOf(node: Node): number {
  return node.permissions[0]?.domid ?? PRIVILEGED;
}

function accessOf(node: Node, domid: number): Permission['access'] {
  if (domid === PRIVILEGED || ownerOf(node) === domid) {
    return 'b';
  }
  const named = node.permissions.slice(1).find(permission => permission.domid === domid);
  return named?.access ?? node.permissions[0]?.access ?? 'n';
}

export function mayRead(node: Node, domid: number): boolean {
  const access = accessOf(node, domid);
  return access === 'r' || access === 'b';
}

export function mayWrite(node: Node, domid: number): boolean {
  const access = accessOf(node, domid);
  return access === 'w' || access === 'b';
}

/**
 * What a dead domain's rights become: its nodes become domain 0's, unreadable for others, and it is named
 * nowhere any more. A new domain with the same domid inherits nothing (XSA-322).
 */
export function withoutDomain(
  permissions: readonly Permission[],
  domid: number,
): readonly Permission[] {
  const [owner, ...others] = permissions;
  const first: Permission =
    owner === undefined || owner.domid === domid ? { access: 'n', domid: PRIVILEGED } : owner;
  return [first, ...others.filter(permission => permission.domid !== domid)];
}
