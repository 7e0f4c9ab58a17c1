/**
 * An import from a plain libxenvchan server: a local socket, whose clients are connected to what the server
 * offers, one at a time. A stale offer (used, or its server gone) is recognised by its page, not by its
 * numbers, which may recur; then the client waits for the next one. A server may also keep its channel.
 */
import { acceptFailure } from '../dataplane/accept-failure.js';
import type { VchanEvent, VchanPlane } from '../dataplane/vchan.js';
import { messageOf } from '../errors.js';
import type { DomId, EventChannelPort, GrantRef } from '../ids.js';
import type { LineLog, PeerLogs } from '../log/peer-logs.js';
import { unlessAbsent } from '../xenstore/absent.js';
import { EVENT_CHANNEL, RING_REF } from '../xenstore/paths.js';
import type { Watch, Xenstore } from '../xenstore/xenstore.js';
import type { ListenerSettings } from './listener.js';
import { absolutePath, parseWord } from './paths.js';

/** Milliseconds that a client waits for a server before it is refused. */
const PATIENCE = 10_000;

export interface ClientParts {
  readonly plane: VchanPlane;
  readonly xenstore: Xenstore;
  readonly logs: PeerLogs;
  /** False: xenstored came back empty, and missing nodes mean nothing. */
  readonly markerPresent: () => Promise<boolean>;
}

export class VchanClient {
  readonly #parts: ClientParts;
  readonly #peer: DomId;
  readonly #path: string;
  readonly #listener: number;
  readonly #log: LineLog;
  #relay: number | undefined;
  #watch: Watch | undefined;
  #changed: () => void = () => {};
  /** The server has published again since xenstored came back empty. */
  #republished = false;
  #stopped = false;

  /** `listener`: the id of the open listener; closed by its opener. */
  constructor(parts: ClientParts, { peer, vchan }: ListenerSettings, listener: number) {
    this.#parts = parts;
    this.#peer = peer;
    this.#path = absolutePath(peer, vchan);
    this.#log = parts.logs.of(peer, { vchan: this.#path });
    this.#listener = listener;
  }

  /** A watch for as long as the listener is open: it is also the only sign of the death of the whole domain. */
  async start(): Promise<void> {
    const watch = await this.#parts.xenstore.watch(this.#path, () => this.#onChange());
    if (this.#stopped) {
      await watch.close();
      return;
    }
    this.#watch = watch;
  }

  handle(event: VchanEvent): void {
    if (event.kind === 'connection-pending' && event.listener === this.#listener) {
      this.#lead().catch((error: unknown) => {
        this.#log.error({ err: error }, 'failed to connect client to vchan server');
        this.#refuse();
      });
    } else if (event.kind === 'listener-error' && event.listener === this.#listener) {
      this.#log.warn(
        acceptFailure(event.detail),
        'accept failed on the socket of a vchan import; retrying in 100 ms',
      );
    } else if (event.kind === 'ended' && event.relay === this.#relay) {
      this.#relay = undefined;
      const { reason, detail, bytesSent, bytesReceived } = event;
      this.#log.info({ reason, detail, bytesSent, bytesReceived }, 'raw stream has ended');
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#changed();
    await this.#watch?.close();
  }

  #onChange(): void {
    this.#changed();
    if (this.#relay !== undefined) {
      this.#endIfGone(this.#relay).catch((error: unknown) =>
        this.#log.error({ err: error }, 'failed to check the vchan server'),
      );
    }
  }

  /**
   * A destroyed domain does not change its page; its nodes vanish. A server that ends clears its live byte first. Nodes that an
   * empty xenstored has lost say nothing about the stream.
   */
  async #endIfGone(relay: number): Promise<void> {
    const there = (await this.#word(RING_REF)) !== undefined;
    const present = await this.#parts.markerPresent();
    if (there) {
      this.#republished = !present;
    } else if ((present || this.#republished) && relay === this.#relay) {
      this.#parts.plane.terminate(relay);
    }
  }

  async #lead(): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    let why = 'no offer there';
    while (!this.#stopped) {
      const change = this.#change(deadline - Date.now());
      const [ringRef, eventChannel] = await Promise.all([
        this.#word(RING_REF),
        this.#word(EVENT_CHANNEL),
      ]);
      if (ringRef !== undefined && eventChannel !== undefined) {
        try {
          this.#relay = await this.#parts.plane.connect(
            this.#listener,
            this.#peer,
            ringRef as GrantRef,
            eventChannel as EventChannelPort,
          );
          return;
        } catch (error) {
          why = messageOf(error);
        }
      }
      if (!(await change)) {
        this.#log.warn({ why }, 'a program was refused: timed out waiting for vchan server');
        this.#refuse();
        return;
      }
    }
  }

  #refuse(): void {
    if (!this.#stopped) {
      this.#parts.plane.refuse(this.#listener);
    }
  }

  /** True when something changed at the path from now on; false after so many milliseconds. */
  #change(within: number): Promise<boolean> {
    return new Promise(resolve => {
      const timer = setTimeout(() => resolve(false), Math.max(within, 0));
      this.#changed = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Undefined if it is not there, not readable, or no number. */
  async #word(name: string): Promise<number | undefined> {
    const text = await unlessAbsent(this.#parts.xenstore.read(`${this.#path}/${name}`));
    return text === undefined ? undefined : parseWord(text);
  }
}
