/** What happens to streams, as log lines: refusals by policy are an audit trail, the rest is for debugging. */
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import type { PeerLogs } from '../log/peer-logs.js';
import { escapeForDisplay } from '../service/name.js';

export type StreamEvent = Extract<
  DataplaneEvent,
  { readonly kind: 'stream-opened' | 'stream-refused' | 'stream-closed' }
>;

/** For the one refusal whose cause lies in this system's rights, and which no waiting mends. */
const NO_ACCESS = {
  remedy:
    "this daemon's user may not connect to the target: grant it with setfacl(1), a group or a drop-in" +
    ' (docs/configuration.md, "Targets of other users")',
};

function remedyOf({ detail }: Extract<StreamEvent, { readonly kind: 'stream-refused' }>): object {
  return /^unix:.*: Permission denied$/s.test(detail) ? NO_ACCESS : {};
}

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
          detail: escapeForDisplay(event.detail, 256),
        };
        // Denied here, or of concern to whoever runs the target; the rest is the peer's business.
        if (direction === 'outgoing') log.debug(line, 'stream refused by the peer');
        else log.info({ ...line, ...remedyOf(event) }, 'stream refused');
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
