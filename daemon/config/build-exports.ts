/** `exports` as the daemon uses them; no service name and no port twice. */
import type { Target } from '../dataplane/dataplane.js';
import { parseTarget } from './address.js';
import type { AllowEntry, ExportConfig, VchanOffer } from './config.js';
import type { LocatedMap } from './located.js';
import type { Report } from './report.js';
import { domidOf, peerSelector, portOf, serviceNameOf } from './selectors.js';
import { Unique } from './unique.js';
import { ServerPaths, serverPath } from './vchan-path.js';

export function buildExports(root: LocatedMap, report: Report): readonly ExportConfig[] {
  const names = new Unique('a service name that no other export has');
  const ports = new Unique('a port that no other export has');
  const paths = new ServerPaths();
  return (report.maps(root, 'exports') ?? []).flatMap(item => {
    const nameNode = report.scalar(item, 'name');
    const portNode = report.scalar(item, 'port');
    if (nameNode !== undefined) names.add(nameNode.value, nameNode, report);
    if (portNode !== undefined) ports.add(portNode.value, portNode, report);
    const name = nameNode === undefined ? undefined : serviceNameOf(nameNode, report);
    const port = typeof portNode?.value === 'number' ? portOf(portNode.value) : undefined;
    const target = buildTarget(item, report);
    const allow = buildAllow(item, report);
    const self = report.scalar(item, 'self')?.value === true;
    const vchan = buildVchan(item, paths, report);
    if (target === undefined) return [];
    return [{ name, port, target, allow, self, vchan, source: item.place }];
  });
}

function buildTarget(item: LocatedMap, report: Report): Target | undefined {
  const node = report.text(item, 'target');
  if (node === undefined) return undefined;
  const target = parseTarget(node.value);
  if (target.kind === 'ok') return target.value;
  report.wrong(node, target.expected);
  return undefined;
}

function buildAllow(item: LocatedMap, report: Report): readonly AllowEntry[] {
  return (report.scalars(item, 'allow') ?? []).map(node => {
    return { peer: peerSelector(node, report), source: node.place };
  });
}

function buildVchan(item: LocatedMap, paths: ServerPaths, report: Report): readonly VchanOffer[] {
  return (report.maps(item, 'vchan') ?? []).flatMap(offer => {
    const peerNode = report.scalar(offer, 'peer');
    const pathNode = report.text(offer, 'path');
    const path = serverPath(pathNode, report);
    if (pathNode !== undefined && path !== undefined) paths.add(pathNode, report);
    const peer = peerNode === undefined ? undefined : domidOf(peerNode, report);
    if (peer === undefined || path === undefined || pathNode === undefined) return [];
    return [{ peer, path, source: pathNode.place }];
  });
}
