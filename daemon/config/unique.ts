/** Values that may occur in a configuration only once. */
import type { LocatedScalar, Place } from './located.js';
import { formatSource } from './problems.js';
import type { Report } from './report.js';

export class Unique<Value> {
  readonly #first = new Map<Value, Place>();
  readonly #what: string;

  /** `what` as in `a service name that no other export has`. */
  constructor(what: string) {
    this.#what = what;
  }

  /** Reports the second and later ones, with the place of the first. */
  add(value: Value, node: LocatedScalar, report: Report): void {
    const first = this.#first.get(value);
    if (first === undefined) this.#first.set(value, node.place);
    else report.wrong(node, `${this.#what} (${formatSource(first)} has it already)`);
  }
}
