/**
 * How streams of local programs were aborted, for programs that ask (`xsock cat`): a UNIX socket cannot tell a
 * reset from an end-of-file. Kept by the program's pid, the most recent ones of each peer.
 */
import type { StreamEnd } from '../control/model.js';
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import { monotonicNow } from '../monotonic.js';
import { describeEnd, describeRefusal } from './stream-words.js';

/** For each peer: it can have as many streams refused as there are programs that try. */
export const MOST_PER_PEER = 256;

type End = Extract<DataplaneEvent, { readonly kind: 'stream-refused' | 'stream-closed' }>;

interface Cut {
  /** On the clock that was passed in. */
  readonly at: number;
  readonly reason: string;
}

export class EndedStreams {
  readonly #now: () => number;
  readonly #since: number;
  readonly #cuts = new Map<DomId | undefined, Map<number, Cut>>();
  /** When events were last lost. */
  #lostAt = Number.NEGATIVE_INFINITY;

  /** `now`: on the clock that programs use, see monotonicNow(). */
  constructor(now: () => number = monotonicNow) {
    this.#now = now;
    this.#since = now();
  }

  note(peer: DomId | undefined, event: End): void {
    const { program } = event;
    if (program === undefined) {
      return;
    }
    const reason =
      event.kind === 'stream-refused'
        ? describeRefusal(event.direction, event.reason, peer)
        : describeEnd(event.reason, peer);
    let cuts = this.#cuts.get(peer);
    if (cuts === undefined) {
      cuts = new Map();
      this.#cuts.set(peer, cuts);
    }
    // The most recent one moves to the end, also where the program already has an entry.
    cuts.delete(program);
    cuts.set(program, { at: this.#now(), reason });
    const [oldest] = cuts.keys();
    if (cuts.size > MOST_PER_PEER && oldest !== undefined) {
      cuts.delete(oldest);
    }
  }

  /** The data plane's event queue overflowed: what was lost may be any stream's end. */
  noteLost(): void {
    this.#lostAt = this.#now();
  }

  /** The domain is not a peer any more. */
  forget(peer: DomId): void {
    this.#cuts.delete(peer);
  }

  /** What became of the stream that `program` opened at `from` or later, and that has ended for it. */
  find(program: number, from: number): StreamEnd {
    const recent = [...this.#cuts.values()]
      .map(cuts => cuts.get(program))
      .filter(cut => cut !== undefined && cut.at >= from)
      .sort((a, b) => (b?.at ?? 0) - (a?.at ?? 0));
    const [last] = recent;
    if (last !== undefined) {
      return { end: 'cut', reason: last.reason };
    }
    if (this.#since > from) {
      return { end: 'unknown', reason: 'the daemon was started after the stream was opened' };
    }
    if (this.#lostAt >= from) {
      return { end: 'unknown', reason: 'more streams ended than the daemon could keep up with' };
    }
    return { end: 'in-order', reason: '' };
  }
}
