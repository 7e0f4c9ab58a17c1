/** Raw vchan streams on the addon (addon/binding/vchan.h). */
import type { DomId, EventChannelPort, GrantRef } from '../ids.js';
import type { DomainCheck, HypervisorChoice, NativeVchan, Target } from './boundary.js';
import { loadNative } from './native.js';
import { translated, translatedCall } from './native-errors.js';
import type { VchanEvent, VchanOfferAddress, VchanPlane } from './vchan.js';

/** A thread and handles of its own. Throws `DATAPLANE` or `ADDON_MISSING`. */
export function openVchan(hypervisor: HypervisorChoice): VchanPlane {
  return new AddonVchan(hypervisor);
}

class AddonVchan implements VchanPlane {
  readonly #native: NativeVchan;
  #consumer: (event: VchanEvent) => void = () => {};

  readonly #pings = new Map<number, () => void>();
  #lastPing = 0;
  #turnDue = false;

  constructor(hypervisor: HypervisorChoice) {
    const { Vchan } = loadNative();
    this.#native = translated('vchan', () => new Vchan(hypervisor, () => this.#wake()));
  }

  onEvents(consumer: (event: VchanEvent) => void): void {
    this.#consumer = consumer;
  }

  serve(peer: DomId, order: number, target: Target): Promise<VchanOfferAddress> {
    return translatedCall('vchan server', this.#native.serve(peer, order, target));
  }

  connect(
    listener: number,
    peer: DomId,
    ringRef: GrantRef,
    eventChannel: EventChannelPort,
  ): Promise<number> {
    return translatedCall(
      'vchan client',
      this.#native.connect(listener, peer, ringRef, eventChannel),
    );
  }

  listen(path: string, mode: number, uid: number, gid: number): number {
    return translated(path, () => this.#native.listen(path, mode, uid, gid));
  }

  unlisten(listener: number): void {
    this.#native.unlisten(listener);
  }

  refuse(listener: number): void {
    this.#native.refuse(listener);
  }

  terminate(relay: number): void {
    this.#native.terminate(relay);
  }

  domainChecked(check: DomainCheck): void {
    this.#native.domainChecked(check);
  }

  async alive(): Promise<void> {
    const ping = ++this.#lastPing;
    translated('vchan ping', () => this.#native.ping(ping));
    await new Promise<void>(resolve => this.#pings.set(ping, resolve));
    this.#pings.delete(ping);
  }

  async close(): Promise<void> {
    await this.#native.close();
  }

  /** A separate turn of the event loop, as in EventFeed: callbacks of the addon may follow each other directly. */
  #wake(): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    setImmediate(() => {
      this.#turnDue = false;
      for (const event of this.#native.takeEvents()) {
        if (event.kind !== 'alive') this.#consumer(event);
        else this.#pings.get(event.ping)?.();
      }
    });
  }
}
