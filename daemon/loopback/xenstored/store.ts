/** The store: the committed state, the connected sessions, the delivery of events. Single-threaded, no I/O. */
import { StoreError } from './errors.js';
import type { XenstoredLimits } from './limits.js';
import { PRIVILEGED } from './permissions.js';
import type { Session } from './session.js';
import { type Change, forgetDomain, initialState, type Observer, type State } from './state.js';
import { checkTransactionQuota, type Operation, Transaction } from './transaction.js';

export interface StoreCounts {
  readonly nodes: number;
  readonly watches: number;
  readonly transactions: number;
}

const IGNORING: Observer = { touched: () => undefined, changed: () => undefined };

export class Store {
  readonly limits: XenstoredLimits;
  readonly #sessions = new Set<Session>();
  readonly #introduced = new Set<number>();
  #state: State = initialState();
  #nextTransaction = 1;

  constructor(limits: XenstoredLimits) {
    this.limits = limits;
  }

  open(session: Session): void {
    this.#sessions.add(session);
  }

  /** Its watches and transactions end with it. */
  close(session: Session): void {
    this.#sessions.delete(session);
  }

  /** What a request of this session sees. Throws ENOENT for a transaction that is not open. */
  view(session: Session, transaction: number): { state: State; observer: Observer } {
    if (transaction === 0) {
      return { state: this.#state, observer: IGNORING };
    }
    const { state, observer } = this.#transaction(session, transaction);
    return { state, observer };
  }

  apply(session: Session, transaction: number, operation: Operation): void {
    if (transaction === 0) {
      this.applyNow(operation);
    } else {
      this.#transaction(session, transaction).apply(operation);
    }
  }

  /** Outside of any transaction, for the domain that the operation names. */
  applyNow(operation: Operation): void {
    const changes: Change[] = [];
    this.#state = operation(this.#state, {
      ...IGNORING,
      changed: change => changes.push(change),
    });
    this.#notify(changes);
  }

  startTransaction(session: Session): number {
    if (session.domid !== PRIVILEGED) {
      checkTransactionQuota(
        this.#sum(session.domid, other => other.transactions.size),
        this.limits,
      );
    }
    const id = this.#nextTransaction++;
    session.transactions.set(id, new Transaction(this.#state));
    return id;
  }

  /** Throws EAGAIN if it has to be repeated; it has ended in any case. */
  endTransaction(session: Session, id: number, commit: boolean): void {
    const transaction = this.#transaction(session, id);
    session.transactions.delete(id);
    if (commit) {
      const { state, changes } = transaction.commit(this.#state);
      this.#state = state;
      this.#notify(changes);
    }
  }

  addWatch(session: Session, watch: Parameters<Session['addWatch']>[0]): void {
    const inUse = this.#sum(session.domid, other => other.watchCount);
    session.addWatch(watch, inUse, this.limits);
  }

  isIntroduced(domid: number): boolean {
    return this.#introduced.has(domid);
  }

  introduce(domid: number): void {
    this.#introduced.add(domid);
    this.#tellSpecial('@introduceDomain');
  }

  release(domid: number): void {
    this.#introduced.delete(domid);
    this.#state = forgetDomain(this.#state, domid);
    this.#tellSpecial('@releaseDomain');
  }

  counts(domid: number): StoreCounts {
    return {
      nodes: this.#state.owned.get(domid) ?? 0,
      watches: this.#sum(domid, session => session.watchCount),
      transactions: this.#sum(domid, session => session.transactions.size),
    };
  }

  #transaction(session: Session, id: number): Transaction {
    const transaction = session.transactions.get(id);
    if (transaction === undefined) {
      throw new StoreError('ENOENT');
    }
    return transaction;
  }

  #sum(domid: number, count: (session: Session) => number): number {
    let total = 0;
    for (const session of this.#sessions) {
      total += session.domid === domid ? count(session) : 0;
    }
    return total;
  }

  #notify(changes: readonly Change[]): void {
    for (const change of changes) {
      for (const session of this.#sessions) {
        session.onChange(change);
      }
    }
  }

  #tellSpecial(path: string): void {
    for (const session of this.#sessions) {
      session.onSpecial(path);
    }
  }
}
