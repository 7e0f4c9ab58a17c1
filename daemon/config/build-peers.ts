/** `peers` as the daemon uses them; no domid and no name twice. */
import type { PeerConfig } from './config.js';
import type { LocatedMap } from './located.js';
import type { Report } from './report.js';
import { domidOf } from './selectors.js';
import { Unique } from './unique.js';

/** Undefined without a `peers` key: then peers are discovered automatically. */
export function buildPeers(root: LocatedMap, report: Report): readonly PeerConfig[] | undefined {
  const domids = new Unique('a domid that no other peer has');
  const names = new Unique('a domain name that no other peer has');
  return report.maps(root, 'peers')?.flatMap(item => {
    const nameNode = report.text(item, 'name');
    if (nameNode !== undefined) names.add(nameNode.value, nameNode, report);
    const domidNode = report.scalar(item, 'domid');
    const domid = domidNode === undefined ? undefined : domidOf(domidNode, report);
    if (domidNode !== undefined && domid !== undefined) domids.add(domid, domidNode, report);
    const name = nameNode?.value;
    if (domid === undefined && name === undefined) return [];
    return [{ domid, name, source: item.place }];
  });
}
