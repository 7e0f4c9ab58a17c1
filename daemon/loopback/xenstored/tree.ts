/**
 * The node tree: immutable, structurally shared, so that a snapshot is one reference. Every change makes
 * new nodes along its path only. Pure; knows nothing of rights, quotas or connections.
 */
import type { Permission } from '../../xenstore/xenstore.js';

export interface Node {
  readonly value: Buffer;
  /** The first one names the owner, and the access of everybody who is not named after it. */
  readonly permissions: readonly Permission[];
  readonly children: ReadonlyMap<string, Node>;
  /** Changes with every change of the node itself: value, permissions or list of children. */
  readonly generation: number;
}

export type Path = readonly string[];

export function splitPath(path: string): Path {
  return path === '/' ? [] : path.slice(1).split('/');
}

export function joinPath(path: Path): string {
  return `/${path.join('/')}`;
}

export function findNode(root: Node, path: Path): Node | undefined {
  let node: Node | undefined = root;
  for (const name of path) {
    node = node?.children.get(name);
  }
  return node;
}

/** The tree with `change` applied to the node at `path`, all of whose parents must exist. */
function replaceAt(node: Node, path: Path, change: (node: Node) => Node): Node {
  const [name, ...rest] = path;
  if (name === undefined) {
    return change(node);
  }
  const child = node.children.get(name);
  if (child === undefined) {
    throw new Error(`no node '${name}'`);
  }
  return { ...node, children: new Map(node.children).set(name, replaceAt(child, rest, change)) };
}

export function updateNode(
  root: Node,
  path: Path,
  generation: number,
  change: Partial<Pick<Node, 'value' | 'permissions'>>,
): Node {
  return replaceAt(root, path, node => ({ ...node, ...change, generation }));
}

export function addChild(root: Node, parent: Path, name: string, child: Node): Node {
  return replaceAt(root, parent, node => ({
    ...node,
    children: new Map(node.children).set(name, child),
    generation: child.generation,
  }));
}

export function removeChild(root: Node, parent: Path, name: string, generation: number): Node {
  return replaceAt(root, parent, node => {
    const children = new Map(node.children);
    children.delete(name);
    return { ...node, children, generation };
  });
}

/** A node and everything below it, parents first. */
export function* walk(node: Node, path: Path): Generator<{ path: Path; node: Node }> {
  yield { path, node };
  for (const [name, child] of node.children) {
    yield* walk(child, [...path, name]);
  }
}
