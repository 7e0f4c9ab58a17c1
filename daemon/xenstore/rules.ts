/** What xenstore allows in paths and permissions (docs/misc/xenstore.txt, io/xs_wire.h). Pure. */
import type { Permission } from './xenstore.js';

/** XENSTORE_ABS_PATH_MAX and XENSTORE_REL_PATH_MAX, in bytes. */
export const MAX_ABSOLUTE_PATH = 3072;
export const MAX_RELATIVE_PATH = 2048;

const PATH_CHARACTERS = /^[A-Za-z0-9/_@-]+$/;
const PERMISSION = /^([nrwb])(\d{1,5})$/;
const SPECIAL_WATCHES: ReadonlySet<string> = new Set(['@introduceDomain', '@releaseDomain']);

/** What is wrong with a node's path; undefined if nothing is. `/` alone is the root. */
export function pathProblem(path: string): string | undefined {
  if (path === '') {
    return 'it is empty';
  }
  if (path.startsWith('@')) {
    return 'special paths can only be watched';
  }
  if (!PATH_CHARACTERS.test(path)) {
    return 'only A-Z a-z 0-9 / _ @ - are possible';
  }
  const limit = path.startsWith('/') ? MAX_ABSOLUTE_PATH : MAX_RELATIVE_PATH;
  if (path.length > limit) {
    return `it has ${path.length} bytes, at most ${limit} are possible`;
  }
  if (path.includes('//')) {
    return "it has '//'";
  }
  // Has crashed xenstored: XSA-481, XSA-483, XSA-484.
  return path !== '/' && path.endsWith('/') ? "it ends with '/'" : undefined;
}

/** As pathProblem(), for paths that are watched: the special ones are possible too. */
export function watchPathProblem(path: string): string | undefined {
  if (path.startsWith('@')) {
    return SPECIAL_WATCHES.has(path) ? undefined : 'there is no such special path';
  }
  return pathProblem(path);
}

/** e.g. `r5`; undefined if it is none. */
export function parsePermission(text: string): Permission | undefined {
  const match = PERMISSION.exec(text);
  if (match === null) {
    return undefined;
  }
  return { access: match[1] as Permission['access'], domid: Number(match[2]) };
}

export function formatPermission({ access, domid }: Permission): string {
  return `${access}${domid}`;
}
