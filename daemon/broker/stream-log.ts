/** Logs what happens to streams: refusals are an audit trail, the rest is for debugging. */
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import type { PeerLogs } from '../log/peer-logs.js';
import { escapeForDisplay } from '../text/escape.js';
import { describeRefusal } from './stream-words.js';

export type StreamEvent = Extract<
  DataplaneEvent,
  { readonly kind: 'stream-opened' | 'stream-refused' | 'stream-closed' }
>;

/** For the one refusal that is caused by this system's permissions and does not go away by waiting. */
const NO_ACCESS = {
  remedy:
    "this daemon's user may not connect to the target: grant it with setfacl(1), a group or a drop-in" +
    ' (docs/configuration.md, "Targets of other users")',
};

function remedyOf({ detail }: Extract<StreamEvent, { readonly kind: 'stream-refused' }>): object {
  return /^unix:.*: Permission denied$/s.test(detail) ? NO_ACCESS : {};
}

/** Two kinds of lines, so that neither uses up the other's in the limiter. */
const REFUSED = { incoming: 'stream refused', outgoing: 'outgoing stream refused' } as const;

export class StreamLog {
  readonly #logs: PeerLogs;

  constructor(logs: PeerLogs) {
    this.#logs = logs;
  }

  write(peer: DomId | undefined, event: StreamEvent): void {
    const { stream, direction } = event;
    const log = this.#logs.of(peer);
    const fields = { stream, direction, service: escapeForDisplay(event.service) };
    switch (event.kind) {
      case 'stream-opened':
        log.debug(fields, 'stream opened');
        return;
      case 'stream-refused': {
        const line = {
          ...fields,
          reason: event.reason,
          why: describeRefusal(direction, event.reason, peer),
          detail: escapeForDisplay(event.detail, 256),
        };
        log.info({ ...line, ...remedyOf(event) }, REFUSED[direction]);
        return;
      }
      case 'stream-closed': {
        const { reason, bytesSent, bytesReceived } = event;
        const line = { ...fields, reason, bytesSent, bytesReceived };
        if (reason !== 'fd-passing') {
          log.debug(line, 'stream closed');
        } else {
          log.warn(
            line,
            'stream reset: a program passed file descriptors, which cannot cross domains',
          );
        }
      }
    }
  }
}
