/** docs/xenstore-paths.md lists the paths that the code makes, and no others. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { DomId } from '../../../daemon/ids.js';
import * as paths from '../../../daemon/xenstore/paths.js';
import { pathProblem } from '../../../daemon/xenstore/rules.js';

const page = readFileSync(
  fileURLToPath(new URL('../../../../docs/xenstore-paths.md', import.meta.url)),
  'utf8',
);
const HIGHEST = 32751 as DomId;

function rowsOf(heading: string): string[] {
  const section = page.split(/^## /m).find(part => part.startsWith(heading)) ?? '';
  const cells = [...section.matchAll(/^\| ([^|]+) \|/gm)].map(([, cell = '']) => cell);
  return cells.flatMap(cell => [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path));
}

/** As the page writes them, from the functions that make them. */
function described(path: (domid: DomId) => string, domid: string): string {
  return path(HIGHEST).replace(String(HIGHEST), domid);
}

const link = paths
  .linkDirectory(1 as DomId, 2 as DomId)
  .replace('/1/', '/<self>/')
  .replace(/\/2$/, '/<peer>');
const entry = described(paths.directoryEntry, '<domid>');

t.test('what is written', async t => {
  t.same(rowsOf('Written by xsock'), [
    described(paths.daemonNode, '<self>'),
    link,
    `${link}/${paths.INSTANCE}`,
    `${link}/${paths.RING_REF}`,
    `${link}/${paths.EVENT_CHANNEL}`,
    paths.DIRECTORY,
    `${entry}/${paths.ENTRY_NAME}`,
    `${entry}/${paths.ENTRY_UUID}`,
    `<path>/${paths.RING_REF}`,
    `<path>/${paths.EVENT_CHANNEL}`,
  ]);
});

t.test('what is read', async t => {
  t.same(rowsOf('Read by xsock'), [
    paths.OWN_DOMID,
    paths.OWN_NAME,
    paths.NOBODY_WRITES,
    '/local/domain/<peer>/data/xsock/<self>',
    paths.DOMAINS,
    described(paths.domainName, '<domid>'),
    described(paths.domainVm, '<domid>'),
    '@introduceDomain',
    '@releaseDomain',
    paths.DIRECTORY,
    `<path>/${paths.RING_REF}`,
    `<path>/${paths.EVENT_CHANNEL}`,
  ]);
});

t.test('no path is longer than the page says, and xenstore takes all', async t => {
  const longest = `${paths.linkDirectory(HIGHEST, HIGHEST)}/${paths.EVENT_CHANNEL}`;
  t.match(page, `the longest is ${longest.length} bytes`);
  for (const path of [longest, `${paths.directoryEntry(HIGHEST)}/${paths.ENTRY_NAME}`]) {
    t.equal(pathProblem(path), undefined);
    t.ok(path.length <= longest.length);
  }
});
