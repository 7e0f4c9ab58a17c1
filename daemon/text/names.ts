/**
 * Names of services and domains. They become file names under the run directory, so these rules keep a
 * peer inside its own directory. Pure.
 */
import { XsockError } from '../errors.js';
import { escapeForDisplay } from './escape.js';

declare const brand: unique symbol;
/** A checked service name: safe as a file name in the view. */
export type ServiceName = string & { readonly [brand]: 'ServiceName' };

/** Longest service or domain name, in characters (all ASCII, so bytes as well). */
export const NAME_MAX = 64;

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Checks a service name: 1-64 characters from A-Z a-z 0-9 . _ - but not `.`, `..` or `port`.
 * Throws XsockError `SERVICE_NAME` that shows the name escaped and says what is wrong with it.
 */
export function parseServiceName(text: string): ServiceName {
  const fault = serviceNameFault(text);
  if (fault !== undefined) {
    const shown = escapeForDisplay(text);
    throw new XsockError('SERVICE_NAME', `"${shown}" is not a service name: ${fault}`, {
      subject: shown,
    });
  }
  return text as ServiceName;
}

/** Why a text is not a service name; undefined if it is one. */
export function serviceNameFault(text: string): string | undefined {
  if (text === '') return 'it is empty';
  if (text.length > NAME_MAX) return `it is longer than ${NAME_MAX} characters`;
  if (!NAME.test(text)) return 'only A-Z a-z 0-9 . _ - may be used';
  if (text === '.' || text === '..') return 'it stands for a directory';
  if (text === 'port') return '<run>/<domid>/port/ is where services appear by port number';
  return undefined;
}

/** True for a domain name that can be a file name under `<run>/by-name/`. */
export function isDomainName(text: string): boolean {
  return NAME.test(text) && text !== '.' && text !== '..';
}
