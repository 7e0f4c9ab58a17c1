/** Whether what a peer may open fits in one announcement: the list of its services is one message. Pure. */
import type { Config, ExportConfig } from '../config/config.js';
import type { ConfigProblem } from '../config/problems.js';
import { selectorKey } from '../config/selectors.js';
import {
  announcedBytes,
  EMPTY_SERVICES_MESSAGE,
  MAX_SERVICES_MESSAGE,
} from '../link/services-message.js';

const ANY = selectorKey({ kind: 'any' });

/**
 * The first export that no longer fits, for the peers that are allowed most. A peer may also be allowed by
 * its domid here and by its name there: that is only known when it appears, and logged then.
 */
export function problemsOfAnnouncement({ exports }: Config): readonly ConfigProblem[] {
  const bytes = new Map<string, number>();
  for (const service of exports) {
    for (const key of allowedBy(service)) {
      bytes.set(key, (bytes.get(key) ?? 0) + announcedBytes(service));
    }
  }
  const forAll = bytes.get(ANY) ?? 0;
  bytes.delete(ANY);
  const [who, more] = [...bytes].reduce(
    (most, entry) => (entry[1] > most[1] ? entry : most),
    [ANY, 0],
  );
  const total = EMPTY_SERVICES_MESSAGE + forAll + more;
  if (total <= MAX_SERVICES_MESSAGE) return [];
  const source = firstTooMuch(exports, who)?.source ?? { file: '(default)', line: 1, column: 1 };
  return [
    {
      ...source,
      path: source.path ?? 'exports[]',
      found: `services that take ${total} bytes to announce to ${who === ANY ? 'every peer' : who}`,
      expected: `${MAX_SERVICES_MESSAGE} bytes at most (3 and the name for each): fewer exports, shorter names or ports alone`,
    },
  ];
}

function firstTooMuch(exports: readonly ExportConfig[], who: string): ExportConfig | undefined {
  let total = EMPTY_SERVICES_MESSAGE;
  return exports.find(service => {
    const allowed = allowedBy(service);
    if (allowed.has(who) || allowed.has(ANY)) total += announcedBytes(service);
    return total > MAX_SERVICES_MESSAGE;
  });
}

/** Keys of selectors; `any` alone where everybody is allowed. */
function allowedBy({ allow }: ExportConfig): ReadonlySet<string> {
  const keys = new Set(allow.map(({ peer }) => selectorKey(peer)));
  return keys.has(ANY) ? new Set([ANY]) : keys;
}
