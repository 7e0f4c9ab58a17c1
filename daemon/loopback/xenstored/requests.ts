/** Every request of the wire protocol: parsed, checked and turned into operations on the store. */

import { toDomId } from '../../ids.js';
import {
  formatPermission,
  parsePermission,
  pathProblem,
  watchPathProblem,
} from '../../xenstore/rules.js';
import {
  joinFields,
  MAX_PAYLOAD,
  type Message,
  MessageType,
  splitFields,
} from '../../xenstore/wire.js';
import { StoreError } from './errors.js';
import { PRIVILEGED } from './permissions.js';
import type { Session } from './session.js';
import {
  type Actor,
  makeNode,
  type Observer,
  readNode,
  removeNode,
  setNodePermissions,
  writeNode,
} from './state.js';
import type { Store } from './store.js';
import { type Node, type Path, splitPath } from './tree.js';

const OK = joinFields(['OK']);

export function homeOf(domid: number): string {
  return `/local/domain/${domid}`;
}

interface Call {
  readonly store: Store;
  readonly session: Session;
  readonly message: Message;
}

type Handler = (call: Call) => Buffer;

function fields({ message }: Call, count: number): string[] {
  const found = splitFields(message.payload);
  if (found === undefined || found.length < count) {
    throw new StoreError('EINVAL');
  }
  return found;
}

/** Absolute; relative ones start at the domain's home. */
function absolute(session: Session, text: string, special: boolean): string {
  if ((special ? watchPathProblem(text) : pathProblem(text)) !== undefined) {
    throw new StoreError('EINVAL');
  }
  return text.startsWith('/') || text.startsWith('@') ? text : `${homeOf(session.domid)}/${text}`;
}

function pathField(call: Call): Path {
  return splitPath(absolute(call.session, fields(call, 1)[0] ?? '', false));
}

/** The path, and the bytes after its NUL. */
function pathAndRest(call: Call): { path: Path; rest: Buffer } {
  const end = call.message.payload.indexOf(0);
  if (end < 0) {
    throw new StoreError('EINVAL');
  }
  const text = call.message.payload.toString('utf8', 0, end);
  return {
    path: splitPath(absolute(call.session, text, false)),
    rest: Buffer.from(call.message.payload.subarray(end + 1)),
  };
}

function actorOf({ store, session }: Call, observer: Observer): Actor {
  return { domid: session.domid, limits: store.limits, observer };
}

function look(call: Call, path: Path): Node {
  const { state, observer } = call.store.view(call.session, call.message.transaction);
  return readNode(state, actorOf(call, observer), path);
}

function childNames(node: Node): Buffer {
  return joinFields([...node.children.keys()]);
}

function directory(call: Call): Buffer {
  const names = childNames(look(call, pathField(call)));
  if (names.length > MAX_PAYLOAD) {
    throw new StoreError('E2BIG');
  }
  return names;
}

/** Generation, then the names from `offset` on; an empty name ends the list. */
function directoryPart(call: Call): Buffer {
  const [, offsetText = ''] = fields(call, 2);
  const offset = /^\d{1,9}$/.test(offsetText) ? Number(offsetText) : undefined;
  const node = look(call, pathField(call));
  const names = Buffer.concat([childNames(node), Buffer.from('\0')]);
  if (offset === undefined || offset > names.length) {
    throw new StoreError('EINVAL');
  }
  const head = joinFields([String(node.generation)]);
  const space = MAX_PAYLOAD - head.length;
  const rest = names.subarray(offset);
  const cut = rest.length <= space ? rest.length : rest.lastIndexOf(0, space - 1) + 1;
  return Buffer.concat([head, rest.subarray(0, cut)]);
}

function write(call: Call): Buffer {
  const { path, rest } = pathAndRest(call);
  call.store.apply(call.session, call.message.transaction, (state, observer) =>
    writeNode(state, actorOf(call, observer), path, rest),
  );
  return OK;
}

function change(operation: typeof makeNode | typeof removeNode): Handler {
  return call => {
    const path = pathField(call);
    call.store.apply(call.session, call.message.transaction, (state, observer) =>
      operation(state, actorOf(call, observer), path),
    );
    return OK;
  };
}

function setPermissions(call: Call): Buffer {
  const [, ...texts] = fields(call, 2);
  const path = pathField(call);
  const permissions = texts.map(text => {
    const permission = parsePermission(text);
    if (permission === undefined || toDomId(permission.domid) === undefined) {
      throw new StoreError('EINVAL');
    }
    return permission;
  });
  call.store.apply(call.session, call.message.transaction, (state, observer) =>
    setNodePermissions(state, actorOf(call, observer), path, permissions),
  );
  return OK;
}

function watch(call: Call): Buffer {
  const [text = '', token = ''] = fields(call, 2);
  const path = absolute(call.session, text, true);
  const relativeTo = path === text ? undefined : homeOf(call.session.domid);
  call.store.addWatch(call.session, { path, token, relativeTo });
  return OK;
}

function unwatch(call: Call): Buffer {
  const [text = '', token = ''] = fields(call, 2);
  call.session.removeWatch(absolute(call.session, text, true), token);
  return OK;
}

function transactionEnd(call: Call): Buffer {
  const [answer] = fields(call, 1);
  if (answer !== 'T' && answer !== 'F') {
    throw new StoreError('EINVAL');
  }
  call.store.endTransaction(call.session, call.message.transaction, answer === 'T');
  return OK;
}

function domidField(call: Call): number {
  const text = fields(call, 1)[0] ?? '';
  const domid = /^\d{1,5}$/.test(text) ? toDomId(Number(text)) : undefined;
  if (domid === undefined) {
    throw new StoreError('EINVAL');
  }
  return domid;
}

/** The machine itself is the toolstack: domains are created and destroyed through its control socket. */
function toolstackOnly({ session }: Call): Buffer {
  throw new StoreError(session.domid === PRIVILEGED ? 'ENOSYS' : 'EACCES');
}

const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [MessageType.directory, directory],
  [MessageType.directoryPart, directoryPart],
  [MessageType.read, call => look(call, pathField(call)).value],
  [
    MessageType.getPermissions,
    call => joinFields(look(call, pathField(call)).permissions.map(formatPermission)),
  ],
  [MessageType.write, write],
  [MessageType.mkdir, change(makeNode)],
  [MessageType.remove, change(removeNode)],
  [MessageType.setPermissions, setPermissions],
  [MessageType.watch, watch],
  [MessageType.unwatch, unwatch],
  [
    MessageType.resetWatches,
    ({ session }) => {
      session.removeWatches();
      return OK;
    },
  ],
  [
    MessageType.transactionStart,
    ({ store, session }) => joinFields([String(store.startTransaction(session))]),
  ],
  [MessageType.transactionEnd, transactionEnd],
  [MessageType.getDomainPath, call => joinFields([homeOf(domidField(call))])],
  [
    MessageType.isDomainIntroduced,
    call => joinFields([call.store.isIntroduced(domidField(call)) ? 'T' : 'F']),
  ],
  [MessageType.introduce, toolstackOnly],
  [MessageType.release, toolstackOnly],
  [MessageType.resume, toolstackOnly],
  [MessageType.setTarget, toolstackOnly],
]);

/** The answer to any message. */
export function answerRequest(store: Store, session: Session, message: Message): Message {
  const handler = HANDLERS.get(message.type);
  const { type, requestId, transaction } = message;
  try {
    if (handler === undefined) {
      throw new StoreError('ENOSYS');
    }
    const payload = handler({ store, session, message });
    if (payload.length > MAX_PAYLOAD) {
      throw new StoreError('E2BIG');
    }
    return { type, requestId, transaction, payload };
  } catch (error) {
    if (!(error instanceof StoreError)) {
      throw error;
    }
    return { type: MessageType.error, requestId, transaction, payload: joinFields([error.errno]) };
  }
}
