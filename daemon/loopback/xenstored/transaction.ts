/**
 * One transaction: works on a snapshot, records what it depended on, and is replayed on the real
 * state when it ends, unless any of that has changed meanwhile (EAGAIN).
 */
import { StoreError } from './errors.js';
import type { XenstoredLimits } from './limits.js';
import type { Change, Observer, State } from './state.js';
import { findNode, joinPath, type Path } from './tree.js';

/** A request that changes the store, replayable on any state. */
export type Operation = (state: State, observer: Observer) => State;

const SILENT: Observer = { touched: () => undefined, changed: () => undefined };

export class Transaction {
  readonly #base: State;
  readonly #operations: Operation[] = [];
  readonly #depends = new Map<string, Path>();
  #state: State;

  constructor(base: State) {
    this.#base = base;
    this.#state = base;
  }

  get state(): State {
    return this.#state;
  }

  /** Records what a reading request touched. */
  get observer(): Observer {
    return { ...SILENT, touched: path => this.#depends.set(joinPath(path), path) };
  }

  apply(operation: Operation): void {
    this.#state = operation(this.#state, this.observer);
    this.#operations.push(operation);
  }

  /** The state after the transaction, with everything that changed; EAGAIN if it must be repeated. */
  commit(current: State): { readonly state: State; readonly changes: readonly Change[] } {
    for (const path of this.#depends.values()) {
      const before = findNode(this.#base.root, path)?.generation;
      if (findNode(current.root, path)?.generation !== before) {
        throw new StoreError('EAGAIN');
      }
    }
    const changes: Change[] = [];
    const observer: Observer = { ...SILENT, changed: change => changes.push(change) };
    let state = current;
    for (const operation of this.#operations) {
      state = operation(state, observer);
    }
    return { state, changes };
  }
}

/** Bounds what one domain may have open; domain 0 is not bound. */
export function checkTransactionQuota(open: number, limits: XenstoredLimits): void {
  if (open >= limits.transactions) {
    throw new StoreError('ENOSPC');
  }
}
