/** Parses targets and TCP addresses. Pure. Host names are refused: the pump never resolves. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Target } from '../dataplane/dataplane.js';
import type { TcpAddress } from './config.js';
import { UNIX_PATH_MAX } from './defaults.js';

/** The parsed value, or what was expected. */
export type Parsed<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'wrong'; readonly expected: string };

/** `unix:/path`, `tcp:ADDRESS:PORT` or `tcp:[IPV6]:PORT`. */
export function parseTarget(text: string): Parsed<Target> {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    const fault = pathFault(path, UNIX_PATH_MAX);
    if (fault !== undefined) return { kind: 'wrong', expected: `unix: and ${fault}` };
    return { kind: 'ok', value: { kind: 'unix', path } };
  }
  if (!text.startsWith('tcp:')) {
    return { kind: 'wrong', expected: 'unix:/absolute/path or tcp:ADDRESS:PORT' };
  }
  const address = parseTcpAddress(text.slice('tcp:'.length));
  if (address.kind === 'wrong') return { kind: 'wrong', expected: `tcp: and ${address.expected}` };
  return { kind: 'ok', value: { kind: 'tcp', ...address.value } };
}

/** `127.0.0.1:80` or `[::1]:80`. */
export function parseTcpAddress(text: string): Parsed<TcpAddress> {
  const match = /^(?:\[([^[\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    return {
      kind: 'wrong',
      expected: 'an address and a port 1..65535: 127.0.0.1:80, or [::1]:80 for IPv6',
    };
  }
  const [, v6, v4] = match;
  // A zone (fe80::1%eth0) is a local name too: inet_pton knows none.
  if (v6 !== undefined && isIPv6(v6) && !v6.includes('%')) {
    return { kind: 'ok', value: { host: v6, port } };
  }
  if (v4 !== undefined && isIPv4(v4)) return { kind: 'ok', value: { host: v4, port } };
  return {
    kind: 'wrong',
    expected:
      'an IP address, such as 127.0.0.1:80 or [::1]:80: host names and zones are not looked up',
  };
}

/** What a path should have been; undefined if it is absolute, not too long and of printable characters. */
export function pathFault(path: string, max: number): string | undefined {
  if (!path.startsWith('/')) return 'an absolute path';
  if (path.endsWith('/')) return 'a path without a slash at its end';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'a path without control characters';
  const bytes = Buffer.byteLength(path);
  return bytes > max ? `a path of at most ${max} bytes (this one has ${bytes})` : undefined;
}
