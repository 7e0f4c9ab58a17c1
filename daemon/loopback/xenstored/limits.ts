/** Quotas of an unprivileged domain; the defaults are those of Xen's C xenstored. */
import type { Node } from './tree.js';

export interface XenstoredLimits {
  readonly nodes: number;
  readonly watches: number;
  readonly transactions: number;
  /** Bytes of one node: value, names of the children, permissions. */
  readonly nodeSize: number;
  readonly permissions: number;
  /** Watch events that wait for a connection that does not read; beyond, it is dropped (XSA-326). */
  readonly pendingEvents: number;
}

export const DEFAULT_LIMITS: XenstoredLimits = {
  nodes: 1000,
  watches: 128,
  transactions: 10,
  nodeSize: 2048,
  permissions: 5,
  pendingEvents: 4096,
};

const BYTES_PER_PERMISSION = 8;

export function sizeOf(node: Node): number {
  let size = node.value.length + node.permissions.length * BYTES_PER_PERMISSION;
  for (const name of node.children.keys()) {
    size += name.length + 1;
  }
  return size;
}
