/** Where the nodes of a libxenvchan server are, and what they may say. */
import type { DomId } from '../ids.js';

/** A configured path as it is in xenstore: a relative one starts at the server's home. */
export function absolutePath(server: DomId, path: string): string {
  return path.startsWith('/') ? path : `/local/domain/${server}/${path}`;
}

const NUMBER = /^[1-9]\d{0,9}$/;

/** A grant reference or a port; 0 is never valid, and neither is what is not a u32. */
export function parseWord(text: string | undefined): number | undefined {
  const value = text !== undefined && NUMBER.test(text) ? Number(text) : undefined;
  return value !== undefined && value <= 0xffff_ffff ? value : undefined;
}
