/** The last refused stream for each peer, for status requests. */
import type { RefusedStream } from '../control/model.js';
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';

type Refused = Extract<DataplaneEvent, { readonly kind: 'stream-refused' }>;

/** Characters; the rest is cut off. The peer chooses the text. */
const MAX_TEXT = 256;

export class Refusals {
  readonly #last = new Map<DomId, RefusedStream>();

  note(peer: DomId, { direction, service, reason, detail }: Refused): void {
    this.#last.set(peer, {
      direction,
      service: service.slice(0, MAX_TEXT),
      reason,
      detail: detail.slice(0, MAX_TEXT),
      at: Date.now(),
    });
  }

  of(peer: DomId): RefusedStream | null {
    return this.#last.get(peer) ?? null;
  }

  forget(peer: DomId): void {
    this.#last.delete(peer);
  }
}
