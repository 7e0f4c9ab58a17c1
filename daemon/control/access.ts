/**
 * Access control of the control socket. Everybody may connect; the kernel identifies the caller (SO_PEERCRED), and
 * each route says who may use it. A refusal names the group to join.
 */
import { XsockError } from '../errors.js';

/** Who may use a route; each includes the ones after it. */
export type Access =
  /** Every local user: the handler decides by the caller's credentials. */
  | 'anyone'
  /** Members of group xsock: reading. */
  | 'reader'
  /** Members of group xsock-admin: changes. */
  | 'admin';

/** A program that has connected, as the kernel recorded it when it did. */
export interface Caller {
  /** 0 if the process is in another pid namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

export const READER_GROUP = 'xsock';
export const ADMIN_GROUP = 'xsock-admin';

/** Group ids; undefined where the system has no such group. */
export interface AccessGroups {
  readonly reader: number | undefined;
  readonly admin: number | undefined;
}

export interface AccessRules {
  /** The daemon's own user, who may do everything, as root may. */
  readonly uid: number;
  readonly groups: AccessGroups;
}

function isIn({ gid, groups }: Caller, wanted: number | undefined): boolean {
  return wanted !== undefined && (gid === wanted || groups.includes(wanted));
}

/** `caller` undefined: the kernel did not say who it is. */
export function mayAsk(access: Access, caller: Caller | undefined, rules: AccessRules): boolean {
  if (access === 'anyone') return true;
  if (caller === undefined) return false;
  if (caller.uid === 0 || caller.uid === rules.uid) return true;
  const { reader, admin } = rules.groups;
  return isIn(caller, admin) || (access === 'reader' && isIn(caller, reader));
}

/** Throws `FORBIDDEN`. */
export function checkAccess(access: Access, caller: Caller | undefined, rules: AccessRules): void {
  if (mayAsk(access, caller, rules)) return;
  const group = access === 'admin' ? ADMIN_GROUP : READER_GROUP;
  const who = caller === undefined ? 'an unknown caller' : `user ${caller.uid}`;
  throw new XsockError(
    'FORBIDDEN',
    `${who} may not make this request: it is for root, the daemon's own user and group ${group}` +
      ` ('adduser USER ${group}' as root, then log in again)`,
    { errno: 'EACCES' },
  );
}
