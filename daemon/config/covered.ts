/** Which import rules can never match, since an earlier one covers all that they match. Pure. */
import type { PeerSelector, ServiceSelector } from './config.js';
import { selectorKey } from './selectors.js';

interface Rule {
  readonly peer: PeerSelector;
  readonly service: ServiceSelector;
}

const ANY = selectorKey({ kind: 'any' });

/** For each rule the earliest one that covers it, by its position in the list; undefined for rules that can match. */
export function coveredBy(rules: readonly Rule[]): readonly (number | undefined)[] {
  /** Looked up by key, not searched: thousands of rules are possible. */
  const first = new Map<string, number>();
  return rules.map(({ peer, service }, index) => {
    const [who, what] = [selectorKey(peer), selectorKey(service)];
    const earlier = [
      first.get(keyOf(who, what)),
      first.get(keyOf(who, ANY)),
      first.get(keyOf(ANY, what)),
      first.get(keyOf(ANY, ANY)),
    ].filter(place => place !== undefined);
    if (earlier.length === 0) {
      first.set(keyOf(who, what), index);
      return undefined;
    }
    return Math.min(...earlier);
  });
}

function keyOf(who: string, what: string): string {
  return `${who} / ${what}`;
}
