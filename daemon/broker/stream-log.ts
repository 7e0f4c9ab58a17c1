/** What happens to streams, as log lines: refusals by policy are an audit trail, the rest is for debugging. */
import type { Logger } from 'pino';
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import { escapeForDisplay } from '../service/name.js';
import { TokenBucket } from '../token-bucket.js';

type StreamEvent = Extract<
  DataplaneEvent,
  { readonly kind: 'stream-opened' | 'stream-refused' | 'stream-closed' }
>;

/** Lines above debug, for each peer: it can have a stream refused as often as it likes. */
const LINES_AT_ONCE = 50;
const LINES_PER_SECOND = 5;

interface Account {
  readonly lines: TokenBucket;
  /** Not written since the last line. */
  leftOut: number;
}

export class StreamLog {
  readonly #log: Logger;
  readonly #accounts = new Map<DomId | undefined, Account>();

  constructor(log: Logger) {
    this.#log = log;
  }

  write(peer: DomId | undefined, event: StreamEvent): void {
    const { stream, direction } = event;
    const fields = { peer, stream, direction, service: escapeForDisplay(event.service) };
    switch (event.kind) {
      case 'stream-opened':
        this.#log.debug(fields, 'stream opened');
        return;
      case 'stream-refused': {
        const line = {
          ...fields,
          reason: event.reason,
          detail: escapeForDisplay(event.detail, 256),
        };
        // Denied here, or of concern to whoever runs the target; the rest is the peer's business.
        if (direction === 'outgoing') {
          this.#log.debug(line, 'stream refused by the peer');
        } else if (this.#mayWrite(peer)) {
          this.#log.info(line, 'stream refused');
        }
        return;
      }
      case 'stream-closed': {
        const { reason, bytesSent, bytesReceived } = event;
        const line = { ...fields, reason, bytesSent, bytesReceived };
        if (reason !== 'fd-passing') {
          this.#log.debug(line, 'stream closed');
        } else if (this.#mayWrite(peer)) {
          this.#log.warn(
            line,
            'stream reset: a program passed file descriptors, which cannot cross domains',
          );
        }
      }
    }
  }

  #mayWrite(peer: DomId | undefined): boolean {
    let account = this.#accounts.get(peer);
    if (account === undefined) {
      account = { lines: new TokenBucket(LINES_AT_ONCE, LINES_PER_SECOND), leftOut: 0 };
      this.#accounts.set(peer, account);
    }
    const wait = account.lines.take();
    if (wait === 0) {
      return true;
    }
    if (account.leftOut++ === 0) {
      setTimeout(() => this.#summarize(peer, account), wait).unref();
    }
    return false;
  }

  #summarize(peer: DomId | undefined, account: Account): void {
    const count = account.leftOut;
    account.leftOut = 0;
    this.#log.warn(
      { peer, count },
      'more streams were refused or reset than are logged one by one',
    );
  }
}
