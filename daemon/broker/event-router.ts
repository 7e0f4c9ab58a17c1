/**
 * Passes each event of the data plane to the part that it concerns: of a link to its peer, of a stream to the log and to
 * what status requests are answered from. Events arrive in portions, on the JavaScript thread, in the order in
 * which one link produced them. Their texts are the peer's: they are escaped where they are shown.
 */

import { acceptFailure } from '../dataplane/accept-failure.js';
import type { DataplaneEvent } from '../dataplane/dataplane.js';
import type { EventChannelPort } from '../ids.js';
import type { BrokerContext } from './context.js';
import type { OwnExports } from './own-exports.js';
import type { Peers } from './peers.js';
import { type StreamEvent, StreamLog } from './stream-log.js';

type EventOf<Kind extends DataplaneEvent['kind']> = Extract<DataplaneEvent, { kind: Kind }>;

export interface EventRouterParts {
  readonly context: BrokerContext;
  readonly peers: Peers;
  readonly own: () => OwnExports | undefined;
  /** A link is down, and with xenstored's contents lost nobody else tells whether its domain is still there. */
  readonly onLinkOfUnlisted: () => void;
  readonly onClosesDeferred: (ports: readonly EventChannelPort[]) => void;
  readonly onHypervisorGone: (detail: string) => void;
}

export class EventRouter {
  readonly #parts: EventRouterParts;
  readonly #streamLog: StreamLog;

  constructor(parts: EventRouterParts) {
    this.#parts = parts;
    this.#streamLog = new StreamLog(parts.context.logs);
  }

  handle(event: DataplaneEvent): void {
    switch (event.kind) {
      case 'link-up':
      case 'link-draining':
      case 'services':
        this.#toPeer(event);
        return;
      case 'link-down':
        this.#onLinkDown(event);
        return;
      case 'stream-opened':
      case 'stream-refused':
      case 'stream-closed':
        this.#onStream(event);
        return;
      case 'lane-failed':
        this.#onLaneFailed(event);
        return;
      case 'listener-error':
        this.#onListenerError(event);
        return;
      case 'events-dropped':
        this.#onEventsDropped(event);
        return;
      case 'closes-deferred':
        this.#parts.onClosesDeferred(event.ports);
        return;
      case 'hypervisor-gone':
        this.#parts.onHypervisorGone(event.detail);
    }
  }

  #toPeer(event: EventOf<'link-up' | 'link-draining' | 'services' | 'link-down'>): void {
    const { context, peers } = this.#parts;
    const domid = context.links.peerOf(event.link);
    if (domid !== undefined) peers.get(domid)?.handle(event);
  }

  #onLinkDown(event: EventOf<'link-down'>): void {
    const { context, own, onLinkOfUnlisted } = this.#parts;
    this.#toPeer(event);
    own()?.handle(event);
    context.links.remove(event.link);
    // The peer may be kept only for its link: see XenstoreMarker.
    if (context.marker.lost) onLinkOfUnlisted();
  }

  #onStream(event: StreamEvent): void {
    const { links, endedStreams, refusals } = this.#parts.context;
    const peer = links.peerOf(event.link);
    this.#streamLog.write(peer, event);
    if (event.kind !== 'stream-opened') endedStreams.note(peer, event);
    if (event.kind === 'stream-refused' && peer !== undefined) refusals.note(peer, event);
  }

  #onLaneFailed({ link, lane, detail }: EventOf<'lane-failed'>): void {
    const { links, logs } = this.#parts.context;
    logs
      .of(links.peerOf(link), { lane })
      .warn({ detail }, 'failed to create a further lane: the link works without it');
  }

  #onListenerError({ listener, detail }: EventOf<'listener-error'>): void {
    const { view, logs } = this.#parts.context;
    const found = view.listenerOf(listener);
    if (found === undefined) return;
    const { domid, service, address } = found;
    // All listeners hit a limit of the system together: no peer's in particular.
    logs
      .of(undefined, { domid, service: service.name ?? service.port, address })
      .warn(acceptFailure(detail), 'accept failed on a service socket; retrying in 100 ms');
  }

  #onEventsDropped({ count }: EventOf<'events-dropped'>): void {
    const { endedStreams, logs } = this.#parts.context;
    endedStreams.noteLost();
    logs.of(undefined).warn({ count }, 'event queue overflow: events of streams not logged');
  }
}
