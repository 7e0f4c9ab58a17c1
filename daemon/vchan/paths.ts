/** The nodes of a libxenvchan server, and their valid values. */
import type { DomId } from '../ids.js';

/** A configured path as an absolute xenstore path: a relative one starts at the server's home. */
export function absolutePath(server: DomId, path: string): string {
  return path.startsWith('/') ? path : `/local/domain/${server}/${path}`;
}

const NUMBER = /^[1-9]\d{0,9}$/;

/** Parses a grant reference or a port: a u32 other than 0. */
export function parseWord(text: string | undefined): number | undefined {
  const value = text !== undefined && NUMBER.test(text) ? Number(text) : undefined;
  return value !== undefined && value <= 0xffff_ffff ? value : undefined;
}
