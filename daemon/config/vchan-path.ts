/**
 * Where in xenstore the nodes of a raw vchan may be. Those of our own servers are written and removed, so their
 * paths are restricted to a place that is ours; those of other domains' servers are only watched and read.
 */
import { pathProblem } from '../xenstore/rules.js';
import type { LocatedScalar, Place } from './located.js';
import { formatSource } from './problems.js';
import type { Report } from './report.js';

type TextNode = LocatedScalar & { readonly value: string };

/** libxenvchan silently truncates longer base paths (tools/libs/vchan/init.c, xs_base of 64 bytes). */
const VCHAN_PATH_MAX = 49;

const HOME = /^\/local\/domain\/(0|[1-9]\d{0,4})\//;
/** Two levels: what lies directly in `data` belongs to its creator, the directories of vchans too. */
const OWN = /^data\/[^/]+\/[^/]+/;
const XSOCK = /^data\/xsock(\/|$)/;
/** `/x`, and everything that holds the homes of domains: a watch there fires for all of them. */
const TOO_HIGH = /^\/([^/]+|local\/domain(\/[^/]+)?)$/;

/** The domain in whose home an absolute path lies; undefined for others. */
export function homeOf(path: string): number | undefined {
  const domid = HOME.exec(path)?.[1];
  return domid === undefined ? undefined : Number(domid);
}

/** Where the own server of an export publishes itself; undefined if it was reported. */
export function serverPath(node: TextNode | undefined, report: Report): string | undefined {
  if (node === undefined || !wellFormed(node, report)) return undefined;
  const inHome = relativePath(node.value);
  const fault = XSOCK.test(inHome)
    ? "data/xsock is where xsock's own nodes are"
    : OWN.test(inHome)
      ? undefined
      : "two or more levels below this domain's own data: nodes are written and removed there";
  if (fault === undefined) return node.value;
  report.wrong(node, expected(fault));
  return undefined;
}

/** Where another domain's server is; undefined if it was reported. */
export function clientPath(node: TextNode | undefined, report: Report): string | undefined {
  if (node === undefined || !wellFormed(node, report)) return undefined;
  if (!TOO_HIGH.test(node.value)) return node.value;
  report.wrong(node, expected('of one server, not of many domains'));
  return undefined;
}

/** No two servers at one path, and none inside another: a node is removed with all that is below it. */
export class ServerPaths {
  readonly #servers = new Map<string, Place>();
  /** The directories that servers are in, at any depth, with one of these servers. */
  readonly #above = new Map<string, Place>();

  add(node: TextNode, report: Report): void {
    const path = relativePath(node.value);
    const above = directoriesOf(path);
    const other =
      this.#servers.get(path) ??
      this.#above.get(path) ??
      above.map(directory => this.#servers.get(directory)).find(place => place !== undefined);
    if (other !== undefined) {
      report.wrong(node, `a path of its own (the vchan server at ${formatSource(other)} is there)`);
      return;
    }
    this.#servers.set(path, node.place);
    for (const directory of above) this.#above.set(directory, node.place);
  }
}

/** The same path relative to the domain's home; whether it is the own home is only known in the domain. */
function relativePath(path: string): string {
  return path.replace(HOME, '');
}

/** `a`, `a/b` of `a/b/c`. */
function directoriesOf(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

function wellFormed(node: TextNode, report: Report): boolean {
  const problem =
    node.value.length > VCHAN_PATH_MAX
      ? `libxenvchan takes ${VCHAN_PATH_MAX} bytes at most`
      : node.value === '/'
        ? 'not the root'
        : pathProblem(node.value);
  if (problem !== undefined) report.wrong(node, expected(problem));
  return problem === undefined;
}

function expected(why: string): string {
  return `a xenstore path such as data/vchan/web (${why})`;
}
