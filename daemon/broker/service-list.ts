/**
 * The services that peers announce and that this domain exports, in the types of the control model. There may
 * be tens of thousands, at a peer's choice: so they are looked up by key rather than searched, and in portions.
 */
import type { AllowEntry, ExportConfig } from '../config/config.js';
import type { ServiceStatus } from '../control/model.js';
import type { Target } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import type { AnnouncedService } from '../policy/import.js';
import { inPortions } from '../portions.js';
import type { ShownService } from '../service/view.js';

/** Whose services they are. */
interface Domain {
  readonly domid: DomId;
  readonly name: string | undefined;
}

export interface ServiceListParts {
  readonly own: Domain;
  readonly exports: readonly ExportConfig[];
  readonly peers: readonly (Domain & { readonly announced: readonly AnnouncedService[] })[];
  /** What the view shows of a domain. */
  readonly shown: (domid: DomId) => Iterable<ShownService>;
}

interface Sockets {
  readonly sockets: string[];
  problem: string | null;
}

interface ServiceKey {
  readonly name?: string | undefined;
  readonly port?: number | undefined;
}

type Lookup = (service: ServiceKey) => Sockets;

export async function listServices(parts: ServiceListParts): Promise<readonly ServiceStatus[]> {
  const { own, exports, peers, shown } = parts;
  const list: ServiceStatus[] = [];
  const ownSockets = await socketsOf(shown(own.domid));
  const names = new Set(peers.map(({ name }) => name));
  await inPortions(exports, service => list.push(exported(service, own, names, ownSockets)));
  for (const peer of peers) {
    const sockets = await socketsOf(shown(peer.domid));
    await inPortions(peer.announced, service => list.push(imported(service, peer, sockets)));
  }
  return list;
}

function keyOf({ name, port }: ServiceKey): string {
  // Names have no slash.
  return `${name ?? ''}/${port ?? ''}`;
}

async function socketsOf(shown: Iterable<ShownService>): Promise<Lookup> {
  const found = new Map<string, Sockets>();
  await inPortions(shown, ({ service, address, problem }) => {
    const key = keyOf(service);
    const entry = found.get(key) ?? { sockets: [], problem: null };
    if (address !== undefined) entry.sockets.push(address);
    entry.problem ??= problem ?? null;
    found.set(key, entry);
  });
  return service => found.get(keyOf(service)) ?? { sockets: [], problem: null };
}

function imported(
  service: AnnouncedService,
  { domid, name }: Domain,
  sockets: Lookup,
): ServiceStatus {
  return {
    direction: 'imported',
    domid,
    domain: name ?? null,
    name: service.name ?? null,
    port: service.port ?? null,
    ...sockets(service),
  };
}

function exported(
  service: ExportConfig,
  { domid, name }: Domain,
  names: ReadonlySet<string | undefined>,
  sockets: Lookup,
): ServiceStatus {
  return {
    direction: 'exported',
    domid,
    domain: name ?? null,
    name: service.name ?? null,
    port: service.port ?? null,
    target: formatTarget(service.target),
    allowed: service.allow.map(formatAllow),
    absent: service.allow.flatMap(({ peer }) =>
      peer.kind === 'name' && !names.has(peer.name) ? [peer.name] : [],
    ),
    ...sockets(service),
  };
}

function formatTarget(target: Target): string {
  if (target.kind === 'unix') {
    return `unix:${target.path}`;
  }
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return `tcp:${host}:${target.port}`;
}

function formatAllow({ peer }: AllowEntry): string {
  switch (peer.kind) {
    case 'any':
      return 'any';
    case 'domid':
      return String(peer.domid);
    case 'name':
      return peer.name;
  }
}
