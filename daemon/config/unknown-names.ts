/** Names in rules that no domain has, so that the rules silently match nobody. Pure. */
import { escapeForDisplay } from '../text/escape.js';
import type { Config, PeerSelector } from './config.js';
import type { SourcePosition } from './position.js';
import type { ConfigWarning } from './problems.js';

/** What is known of the domains in the domain that uses the configuration. */
export interface KnownNames {
  readonly domid: number;
  /** Its own. */
  readonly own: string | undefined;
  /** Of those that it may link with, now. */
  readonly peers: readonly string[];
}

/** Warnings of one kind: nobody reads more. */
const WARNINGS_MAX = 50;

const REMEDY =
  'use its domid, name the domain beside its domid in peers, or set directory.trust here and directory.publish in domain 0';

/** Names that can never be known here: this domain has no source of names, and `peers` does not assign them. */
export function unknowableNames(config: Config, known: KnownNames): readonly ConfigWarning[] {
  if (mayLearn(config, known)) return [];
  const shown = (name: string) =>
    `"${escapeForDisplay(name)}" matches nobody: domain ${known.domid} cannot look up names; ${REMEDY}`;
  return warnings(namesNotIn(config, known), shown);
}

/** Names that no domain has at the moment. */
export function absentNames(config: Config, known: KnownNames): readonly ConfigWarning[] {
  if (!mayLearn(config, known)) return [];
  const shown = (name: string) =>
    `"${escapeForDisplay(name)}" matches nobody now: no domain that this one may link with has that name`;
  return warnings(namesNotIn(config, known), shown);
}

function mayLearn({ directory }: Config, { domid }: KnownNames): boolean {
  return domid === 0 || directory.trust;
}

/** Each once, with its first position. */
function namesNotIn(config: Config, known: KnownNames): ReadonlyMap<string, SourcePosition> {
  const places = new Map<string, SourcePosition>();
  const add = (selector: PeerSelector, source: SourcePosition | undefined): void => {
    if (selector.kind !== 'name' || source === undefined || places.has(selector.name)) return;
    places.set(selector.name, source);
  };
  for (const { allow } of config.exports) for (const { peer, source } of allow) add(peer, source);
  for (const { peer, source } of config.imports) add(peer, source);
  for (const { domid, name, source } of config.peers ?? []) {
    if (domid === undefined && name !== undefined) add({ kind: 'name', name }, source);
  }
  for (const name of known.peers) places.delete(name);
  if (known.own !== undefined) places.delete(known.own);
  // A domid beside the name makes it the operator's, whether the domain exists or not.
  for (const { domid, name } of config.peers ?? []) {
    if (domid !== undefined && name !== undefined) places.delete(name);
  }
  return places;
}

function warnings(
  names: ReadonlyMap<string, SourcePosition>,
  messageFor: (name: string) => string,
): readonly ConfigWarning[] {
  return [...names].slice(0, WARNINGS_MAX).map(([name, source], index) => {
    const others = index === WARNINGS_MAX - 1 ? names.size - WARNINGS_MAX : 0;
    const more = others > 0 ? ` (and ${others} more names like it)` : '';
    return { ...source, path: source.path ?? '(name)', message: `${messageFor(name)}${more}` };
  });
}
