/** Long work on the JavaScript thread, split so that everything else goes on in between. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Items per portion: well below a millisecond's worth of most things, also without a compiler. */
export const PORTION = 250;

/** Visits all items, in order; after every portion, other events have their turn. */
export async function inPortions<Item>(
  items: Iterable<Item>,
  visit: (item: Item) => void,
): Promise<void> {
  let left = PORTION;
  for (const item of items) {
    if (left === 0) {
      await nextTurn();
      left = PORTION;
    }
    left -= 1;
    visit(item);
  }
}
