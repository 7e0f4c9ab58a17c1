/**
 * Data planes in one process that link with one another by the rules of offers, without carrying a byte:
 * an offer is good once and for one peer, and what closes a link is heard at its other end. Events come
 * in a turn of their own, after the promise that brought the link.
 */
import type {
  Dataplane,
  DataplaneEvent,
  DomainCheck,
  ExportEntry,
  LinkDownReason,
  Offer,
} from '../../daemon/dataplane/dataplane.js';
import type { DomId, EventChannelPort, GrantRef, LinkId } from '../../daemon/ids.js';
import { ListeningDataplane } from './listening-dataplane.js';

interface End {
  readonly owner: FakeDataplane;
  readonly peer: DomId;
  other: LinkId | undefined;
}

/** What the data planes of one host have in common. */
export class FakeHost {
  /** All links that have been made and not been closed. */
  readonly ends = new Map<LinkId, End>();
  #next = 1;

  dataplane(domid: DomId, instance: string): FakeDataplane {
    return new FakeDataplane(this, domid, instance);
  }

  add(end: End): LinkId {
    const link = this.#next++ as LinkId;
    this.ends.set(link, end);
    return link;
  }

  linksOf(owner: FakeDataplane): readonly LinkId[] {
    return [...this.ends].filter(([, end]) => end.owner === owner).map(([link]) => link);
  }
}

export class FakeDataplane implements Dataplane {
  readonly domid: DomId;
  readonly exports = new Map<LinkId, readonly ExportEntry[]>();
  /** Awaited before the promise of the call settles; may throw in its place. */
  before: (call: 'offer' | 'connect' | 'connectSelf' | 'closeLink') => void | Promise<void> = () =>
    undefined;
  readonly calls: string[] = [];
  readonly checks: DomainCheck[] = [];
  /** Calls that replace a table or a setting. */
  readonly replacements: string[] = [];
  readonly #host: FakeHost;
  readonly #instance: string;
  readonly #listening = new ListeningDataplane();
  #consumer: (events: readonly DataplaneEvent[]) => void = () => undefined;

  constructor(host: FakeHost, domid: DomId, instance: string) {
    this.#host = host;
    this.domid = domid;
    this.#instance = instance;
  }

  onEvents(consumer: (events: readonly DataplaneEvent[]) => void): void {
    this.#consumer = consumer;
  }

  /** Something that happens in the data plane without being asked for. */
  emit(event: DataplaneEvent): void {
    setImmediate(() => this.#consumer([event]));
  }

  async offer(peer: DomId, _ringOrder: number): Promise<Offer> {
    this.calls.push('offer');
    const link = this.#host.add({ owner: this, peer, other: undefined });
    await this.before('offer');
    return {
      link,
      ringRef: Number(link) as GrantRef,
      eventChannel: Number(link) as EventChannelPort,
    };
  }

  async connect(peer: DomId, ringRef: GrantRef, _port: EventChannelPort): Promise<LinkId> {
    this.calls.push('connect');
    await this.before('connect');
    const offer = Number(ringRef) as LinkId;
    const end = this.#host.ends.get(offer);
    const ours = end?.peer === this.domid && end.owner.domid === peer;
    if (end === undefined || !ours || end.other !== undefined) {
      throw new Error('no such offer');
    }
    const link = this.#host.add({ owner: this, peer, other: offer });
    end.other = link;
    this.#up(link, end.owner);
    end.owner.#up(offer, this);
    return link;
  }

  async connectSelf(): Promise<LinkId> {
    await this.before('connectSelf');
    const link = this.#host.add({ owner: this, peer: this.domid, other: undefined });
    this.#up(link, this);
    return link;
  }

  async closeLink(link: LinkId, drain: number): Promise<void> {
    this.calls.push(`closeLink ${drain}`);
    await this.before('closeLink');
    this.end(link, 'closed');
  }

  /** A link ends; the other end hears that its peer is gone. */
  end(link: LinkId, reason: LinkDownReason): void {
    const end = this.#host.ends.get(link);
    if (!this.#host.ends.delete(link)) return;
    this.emit({ kind: 'link-down', link, reason, detail: '' });
    if (end?.other !== undefined) this.#host.ends.get(end.other)?.owner.end(end.other, 'peer-gone');
  }

  setExports(link: LinkId, exports: readonly ExportEntry[]): void {
    this.replacements.push('setExports');
    this.exports.set(link, exports);
  }

  sendServices(link: LinkId, payload: Uint8Array): void {
    this.replacements.push('sendServices');
    const other = this.#host.ends.get(link)?.other;
    if (other === undefined) return;
    this.#host.ends.get(other)?.owner.emit({ kind: 'services', link: other, payload });
  }

  listen: Dataplane['listen'] = options => {
    this.calls.push('listen');
    return this.#listening.listen(options);
  };
  unlisten: Dataplane['unlisten'] = listener => this.#listening.unlisten(listener);
  streams: Dataplane['streams'] = async () => [];
  counters: Dataplane['counters'] = async () => [];
  resetStream: Dataplane['resetStream'] = async () => false;
  domainChecked = (check: DomainCheck): void => void this.checks.push(check);
  alive: Dataplane['alive'] = async () => undefined;
  setLimits = (): void => void this.replacements.push('setLimits');
  reportStreams = (): void => void this.replacements.push('reportStreams');

  async close(): Promise<void> {
    for (const link of this.#host.linksOf(this)) this.end(link, 'closed');
    await this.#listening.close();
  }

  #up(link: LinkId, peer: FakeDataplane): void {
    this.emit({ kind: 'link-up', link, version: 1, features: 5, instance: peer.#instance });
  }
}
