/** Branded numbers, so that a domid can never be passed where a grant reference is meant. */

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Xen domain id, 0..32751 (`DOMID_FIRST_RESERVED` is 0x7ff0, xen/public/xen.h). */
export type DomId = Branded<'DomId'>;
/** Grant reference: index into the granting domain's grant table. */
export type GrantRef = Branded<'GrantRef'>;
/** Event channel port, local to one domain. 0 is never valid. */
export type EventChannelPort = Branded<'EventChannelPort'>;
/** Data plane handle of one link; never used twice in the life of a process. */
export type LinkId = Branded<'LinkId'>;
/** Data plane handle of one local listening socket; never used twice in the life of a process. */
export type ListenerId = Branded<'ListenerId'>;
/** The user's port number for a service, 1..65535. */
export type ServicePort = Branded<'ServicePort'>;

/** First domid that Xen reserves for itself; ordinary domains are below it. */
export const DOMID_FIRST_RESERVED = 0x7ff0;

/** A whole number that may be a domid; undefined for anything else. */
export function toDomId(value: number): DomId | undefined {
  return Number.isInteger(value) && value >= 0 && value < DOMID_FIRST_RESERVED
    ? (value as DomId)
    : undefined;
}

/** Parses decimal text ("0", "17"; no sign, no leading zero) as a domid. */
export function parseDomId(text: string): DomId | undefined {
  return /^(0|[1-9]\d{0,4})$/.test(text) ? toDomId(Number(text)) : undefined;
}
