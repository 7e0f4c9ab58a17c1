/** Checks of a configuration that are only possible in the domain that uses it. Pure. */
import type { DomId } from '../ids.js';
import type { Config } from './config.js';
import type { ConfigProblem } from './problems.js';
import { homeOf } from './vchan-path.js';

/** Servers that would publish themselves in the home of another domain. */
export function problemsInDomain(config: Config, self: DomId): readonly ConfigProblem[] {
  return config.exports
    .flatMap(service => service.vchan)
    .filter(({ path }) => (homeOf(path) ?? self) !== self)
    .map(({ path, source }) => ({
      ...source,
      path: source.path ?? 'exports[].vchan[].path',
      found: `"${path}"`,
      expected: `a path in this domain's own home: this is domain ${self}; data/vchan/web is in its home, whatever its domid`,
    }));
}
