/** What happens to streams, as log lines: refusals by policy are an audit trail, the rest is for debugging. */
import type { Logger } from 'pino';
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import { escapeForDisplay } from '../service/name.js';

type StreamEvent = Extract<
  DataplaneEvent,
  { readonly kind: 'stream-opened' | 'stream-refused' | 'stream-closed' }
>;

export function logStreamEvent(log: Logger, peer: DomId | undefined, event: StreamEvent): void {
  const { stream, direction } = event;
  const fields = { peer, stream, direction, service: escapeForDisplay(event.service) };
  switch (event.kind) {
    case 'stream-opened':
      log.debug(fields, 'stream opened');
      return;
    case 'stream-refused': {
      const line = { ...fields, reason: event.reason, detail: escapeForDisplay(event.detail, 256) };
      // Denied here, or of concern to whoever runs the target; the rest is the peer's business.
      if (direction === 'incoming') {
        log.info(line, 'stream refused');
      } else {
        log.debug(line, 'stream refused by the peer');
      }
      return;
    }
    case 'stream-closed': {
      const { reason, bytesSent, bytesReceived } = event;
      const line = { ...fields, reason, bytesSent, bytesReceived };
      if (reason === 'fd-passing') {
        log.warn(
          line,
          'stream reset: a program passed file descriptors, which cannot cross domains',
        );
      } else {
        log.debug(line, 'stream closed');
      }
    }
  }
}
