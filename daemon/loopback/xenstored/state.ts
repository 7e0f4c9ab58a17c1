/**
 * What the store holds, and the operations on it: each takes a state and gives the next one, or throws
 * StoreError. A state is immutable; a transaction is a state of its own. What was touched and what
 * changed is reported to an Observer.
 */
import type { Permission } from '../../xenstore/xenstore.js';
import { StoreError } from './errors.js';
import { sizeOf, type XenstoredLimits } from './limits.js';
import { mayRead, mayWrite, ownerOf, PRIVILEGED, withoutDomain } from './permissions.js';
import { addChild, findNode, type Node, type Path, removeChild, updateNode, walk } from './tree.js';

export interface State {
  readonly root: Node;
  /** How many nodes each domain owns. */
  readonly owned: ReadonlyMap<number, number>;
  /** Grows with every change. */
  readonly generation: number;
}

export interface Change {
  readonly path: Path;
  /** To decide who may be notified: the node after the change, or before its removal. */
  readonly node: Node;
  /** A node that was removed with its parent: only watches on exactly this path fire. */
  readonly exact: boolean;
}

export interface Observer {
  /** The request depends on the node at `path` (which may not exist). */
  touched(path: Path): void;
  changed(change: Change): void;
}

/** The domain that it acts for. */
export interface Actor {
  readonly domid: number;
  readonly limits: XenstoredLimits;
  readonly observer: Observer;
}

export function initialState(): State {
  const root: Node = {
    value: Buffer.alloc(0),
    permissions: [{ access: 'n', domid: PRIVILEGED }],
    children: new Map(),
    generation: 0,
  };
  return { root, owned: new Map([[PRIVILEGED, 1]]), generation: 0 };
}

function adjust(owned: State['owned'], domid: number, by: number): Map<number, number> {
  const count = (owned.get(domid) ?? 0) + by;
  const result = new Map(owned);
  if (count === 0) {
    result.delete(domid);
  } else {
    result.set(domid, count);
  }
  return result;
}

/** The node itself, or the error for a missing one: EACCES for those who may not read there. */
function lookUp(state: State, actor: Actor, path: Path): Node {
  actor.observer.touched(path);
  const node = findNode(state.root, path);
  if (node !== undefined) {
    return node;
  }
  const ancestor = nearestExisting(state, path);
  throw new StoreError(mayRead(ancestor.node, actor.domid) ? 'ENOENT' : 'EACCES');
}

function nearestExisting(state: State, path: Path): { path: Path; node: Node } {
  for (let length = path.length; length > 0; length--) {
    const node = findNode(state.root, path.slice(0, length));
    if (node !== undefined) {
      return { path: path.slice(0, length), node };
    }
  }
  return { path: [], node: state.root };
}

export function readNode(state: State, actor: Actor, path: Path): Node {
  const node = lookUp(state, actor, path);
  if (!mayRead(node, actor.domid)) {
    throw new StoreError('EACCES');
  }
  return node;
}

function checkSize(node: Node, { domid, limits }: Actor): void {
  if (domid !== PRIVILEGED && sizeOf(node) > limits.nodeSize) {
    throw new StoreError('ENOSPC');
  }
}

/** Creates the node at `path` and what is missing above it, each with its parent's rights. */
function create(state: State, actor: Actor, path: Path, value: Buffer): State {
  const { path: base, node: ancestor } = nearestExisting(state, path);
  actor.observer.touched(base);
  if (!mayWrite(ancestor, actor.domid)) {
    throw new StoreError('EACCES');
  }
  const [inherited, ...others] = ancestor.permissions;
  const owner = actor.domid === PRIVILEGED ? (inherited?.domid ?? PRIVILEGED) : actor.domid;
  const permissions = [{ access: inherited?.access ?? 'n', domid: owner } as const, ...others];
  const generation = state.generation + 1;
  let { root, owned } = state;
  for (let length = base.length + 1; length <= path.length; length++) {
    const here = path.slice(0, length);
    actor.observer.touched(here);
    const last = length === path.length;
    const node: Node = {
      value: last ? value : Buffer.alloc(0),
      permissions,
      children: new Map(),
      generation,
    };
    checkSize(node, actor);
    root = addChild(root, path.slice(0, length - 1), path[length - 1] ?? '', node);
    owned = adjust(owned, owner, 1);
    actor.observer.changed({ path: here, node, exact: false });
  }
  const parent = findNode(root, base);
  if (parent !== undefined) {
    checkSize(parent, actor);
  }
  if (actor.domid !== PRIVILEGED && (owned.get(owner) ?? 0) > actor.limits.nodes) {
    throw new StoreError('ENOSPC');
  }
  return { root, owned, generation };
}

export function writeNode(state: State, actor: Actor, path: Path, value: Buffer): State {
  actor.observer.touched(path);
  const existing = findNode(state.root, path);
  if (existing === undefined) {
    return create(state, actor, path, value);
  }
  if (!mayWrite(existing, actor.domid)) {
    throw new StoreError('EACCES');
  }
  const generation = state.generation + 1;
  const node: Node = { ...existing, value, generation };
  checkSize(node, actor);
  actor.observer.changed({ path, node, exact: false });
  return { ...state, root: updateNode(state.root, path, generation, { value }), generation };
}

/** A node that exists stays as it is. */
export function makeNode(state: State, actor: Actor, path: Path): State {
  actor.observer.touched(path);
  const existing = findNode(state.root, path);
  if (existing === undefined) {
    return create(state, actor, path, Buffer.alloc(0));
  }
  if (!mayWrite(existing, actor.domid)) {
    throw new StoreError('EACCES');
  }
  return state;
}

/** A missing node is no error when its parent exists. */
export function removeNode(state: State, actor: Actor, path: Path): State {
  const name = path.at(-1);
  if (name === undefined) {
    throw new StoreError('EINVAL');
  }
  actor.observer.touched(path);
  const parentPath = path.slice(0, -1);
  const node = findNode(state.root, path);
  if (node === undefined) {
    const parent = lookUp(state, actor, parentPath);
    if (!mayWrite(parent, actor.domid)) {
      throw new StoreError('EACCES');
    }
    return state;
  }
  if (!mayWrite(node, actor.domid)) {
    throw new StoreError('EACCES');
  }
  actor.observer.touched(parentPath);
  let owned = state.owned;
  for (const below of walk(node, path)) {
    actor.observer.touched(below.path);
    owned = adjust(owned, ownerOf(below.node), -1);
    actor.observer.changed({ ...below, exact: below.path.length > path.length });
  }
  const generation = state.generation + 1;
  return { root: removeChild(state.root, parentPath, name, generation), owned, generation };
}

export function setNodePermissions(
  state: State,
  actor: Actor,
  path: Path,
  permissions: readonly Permission[],
): State {
  const existing = lookUp(state, actor, path);
  const owner = ownerOf(existing);
  const newOwner = permissions[0]?.domid;
  if (newOwner === undefined) {
    throw new StoreError('EINVAL');
  }
  if (actor.domid !== PRIVILEGED) {
    if (owner !== actor.domid || newOwner !== owner) {
      throw new StoreError('EACCES');
    }
    if (permissions.length > actor.limits.permissions) {
      throw new StoreError('ENOSPC');
    }
  }
  const generation = state.generation + 1;
  const node: Node = { ...existing, permissions, generation };
  checkSize(node, actor);
  actor.observer.changed({ path, node, exact: false });
  return {
    root: updateNode(state.root, path, generation, { permissions }),
    owned: adjust(adjust(state.owned, owner, -1), newOwner, 1),
    generation,
  };
}

/** A domain is gone for good: removes every reference to it. */
export function forgetDomain(state: State, domid: number): State {
  const generation = state.generation + 1;
  let { root, owned } = state;
  for (const { path, node } of walk(state.root, [])) {
    if (!node.permissions.some(permission => permission.domid === domid)) {
      continue;
    }
    const permissions = withoutDomain(node.permissions, domid);
    root = updateNode(root, path, generation, { permissions });
    owned = adjust(adjust(owned, ownerOf(node), -1), permissions[0]?.domid ?? PRIVILEGED, 1);
  }
  return { root, owned, generation };
}
