/** `imports` as the daemon uses them: rules in order, and which of them can never match. */
import { parseTcpAddress } from './address.js';
import type { ImportConfig, TcpAddress } from './config.js';
import { coveredBy } from './covered.js';
import { DEFAULT_MODE, IMPORT_EVERYTHING } from './defaults.js';
import type { LocatedMap, LocatedScalar, Place } from './located.js';
import { formatSource } from './problems.js';
import type { Report } from './report.js';
import { peerSelector, selectorKey, serviceSelector } from './selectors.js';
import { clientPath, homeOf } from './vchan-path.js';

interface Rule {
  readonly config: ImportConfig;
  readonly place: Place;
  readonly tcpNode: LocatedScalar | undefined;
}

/** Without an `imports` key everything is imported; with an empty list nothing is. */
export function buildImports(root: LocatedMap, report: Report): readonly ImportConfig[] {
  if (!root.entries.has('imports')) return [IMPORT_EVERYTHING];
  const rules = (report.maps(root, 'imports') ?? []).map(item => buildRule(item, report));
  warnOfCovered(rules, report);
  checkListeners(rules, report);
  checkVchanSockets(rules, report);
  return rules.map(rule => rule.config);
}

function buildRule(item: LocatedMap, report: Report): Rule {
  const peerNode = report.scalar(item, 'peer');
  const serviceNode = report.scalar(item, 'service');
  const modeNode = report.text(item, 'mode');
  const tcpNode = report.text(item, 'tcp');
  const vchanNode = report.text(item, 'vchan');
  const config: ImportConfig = {
    peer: peerNode === undefined ? { kind: 'any' } : peerSelector(peerNode, report),
    service: serviceNode === undefined ? { kind: 'any' } : serviceSelector(serviceNode, report),
    owner: account(item, 'owner', report),
    group: account(item, 'group', report),
    mode: modeNode === undefined ? DEFAULT_MODE : Number.parseInt(modeNode.value, 8),
    tcp: tcpNode === undefined ? undefined : listener(tcpNode, report),
    vchan: clientPath(vchanNode, report),
    source: item.place,
  };
  if (vchanNode !== undefined && (config.peer.kind !== 'domid' || config.service.kind !== 'name')) {
    report.wrong(vchanNode, 'a rule for one service name of one domid: vchan leads to one server');
  }
  if (vchanNode !== undefined && config.peer.kind === 'domid') {
    const home = homeOf(vchanNode.value);
    if (home !== undefined && home !== config.peer.domid) {
      report.warn(
        vchanNode.place,
        `the path is in the home of domain ${home}: anybody who may write there decides which channel of domain ${config.peer.domid} is used`,
      );
    }
  }
  if (vchanNode !== undefined && tcpNode !== undefined) {
    report.wrong(tcpNode, 'no tcp beside vchan');
  }
  return { config, place: item.place, tcpNode };
}

function account(item: LocatedMap, key: string, report: Report): string | number | undefined {
  const value = report.scalar(item, key)?.value;
  return typeof value === 'string' || typeof value === 'number' ? value : undefined;
}

function listener(
  node: LocatedScalar & { readonly value: string },
  report: Report,
): TcpAddress | undefined {
  const address = parseTcpAddress(node.value);
  if (address.kind === 'wrong') {
    report.wrong(node, address.expected);
    return undefined;
  }
  const { host } = address.value;
  if (host !== '::1' && !host.startsWith('127.')) {
    report.warn(node.place, `${host} is not a loopback address: the network can reach the service`);
  }
  return address.value;
}

function warnOfCovered(rules: readonly Rule[], report: Report): void {
  const matching = rules.filter(({ config }) => config.vchan === undefined);
  const covered = coveredBy(matching.map(({ config }) => config));
  for (const [index, by] of covered.entries()) {
    const [rule, earlier] = [matching[index], matching[by ?? -1]];
    if (rule === undefined || earlier === undefined) continue;
    report.warn(rule.place, `never matches: the rule at ${formatSource(earlier.place)} covers it`);
  }
}

/** A listener leads to one service only, and an address has one listener only. */
function checkListeners(rules: readonly Rule[], report: Report): void {
  const taken = new TakenAddresses();
  for (const { config, tcpNode } of rules) {
    if (tcpNode === undefined) continue;
    if (config.peer.kind === 'any' || config.service.kind === 'any') {
      report.wrong(tcpNode, 'a rule for one service of one peer: tcp cannot lead to any');
    }
    const address = config.tcp;
    if (address === undefined) continue;
    const other = taken.take(address, tcpNode.place);
    if (other !== undefined) {
      report.wrong(tcpNode, `an address that is free (${formatSource(other)} has it)`);
    }
  }
}

/** `<run>/vchan/<domid>/<service>` is one socket, and leads to one server. */
function checkVchanSockets(rules: readonly Rule[], report: Report): void {
  const taken = new Map<string, Place>();
  for (const { config, place } of rules) {
    if (config.vchan === undefined) continue;
    const key = `${selectorKey(config.peer)} ${selectorKey(config.service)}`;
    const other = taken.get(key);
    if (other === undefined) taken.set(key, place);
    else {
      const found = 'a second rule with vchan for this service of this domain';
      report.problem(place, found, `one (the rule at ${formatSource(other)} is the first)`);
    }
  }
}

/** Local TCP addresses and the rules that use them first. */
class TakenAddresses {
  readonly #first = new Map<string, Place>();

  /** The rule that already uses it, or all addresses of its family, or (if it is for all) one of these; else registers it. */
  take({ host, port }: TcpAddress, place: Place): Place | undefined {
    const family = host.includes(':') ? 'v6' : 'v4';
    const all = `all ${family} ${port}`;
    const any = `any ${family} ${port}`;
    const isWildcard = host === '0.0.0.0' || host === '::';
    const own = `${host} ${port}`;
    const other = this.#first.get(own) ?? this.#first.get(isWildcard ? any : all);
    if (other === undefined) {
      for (const key of isWildcard ? [own, all, any] : [own, any]) {
        if (!this.#first.has(key)) this.#first.set(key, place);
      }
    }
    return other;
  }
}
