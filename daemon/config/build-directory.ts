/** `directory` as the daemon uses it. */
import type { DirectoryConfig } from './config.js';
import type { LocatedMap } from './located.js';
import type { Report } from './report.js';
import { peerSelector } from './selectors.js';

export function buildDirectory(map: LocatedMap, report: Report): DirectoryConfig {
  const publish = report.scalars(map, 'publish') ?? [];
  return {
    publish: publish.map(node => peerSelector(node, report)),
    trust: report.scalar(map, 'trust')?.value === true,
  };
}
