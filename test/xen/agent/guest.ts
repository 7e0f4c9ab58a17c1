/** The agent of a guest: takes calls from the nodes that domain 0 writes, leaves answers beside them. */
import type { Xenstore } from '../../../daemon/xenstore/xenstore.js';
import { createOperations, readNode } from './operations.js';
import { perform } from './perform.js';
import { ANSWERS, CALLS, type Call, MAX_MESSAGE, STATE } from './protocol.js';

/** Characters: with the rest of an answer they fit a node. */
const SHOWN = 700;

export async function serveGuest(xenstore: Xenstore): Promise<never> {
  const operations = createOperations(xenstore, SHOWN);
  const taken = new Set<string>();
  await xenstore.mkdir(CALLS);
  await xenstore.mkdir(ANSWERS);

  const take = async (id: string): Promise<void> => {
    const message = await readNode(xenstore, `${CALLS}/${id}`);
    if (message === undefined) return;
    await xenstore.remove(`${CALLS}/${id}`);
    const answer = await perform(operations, JSON.parse(message) as Call);
    const text = JSON.stringify(answer);
    await xenstore.write(
      `${ANSWERS}/${id}`,
      Buffer.byteLength(text) <= MAX_MESSAGE
        ? text
        : JSON.stringify({
            id: answer.id,
            error: `an answer of ${text.length} bytes does not fit`,
          }),
    );
  };
  const look = async (): Promise<void> => {
    for (const id of await xenstore.list(CALLS)) {
      if (taken.has(id)) continue;
      taken.add(id);
      void take(id);
    }
  };
  await xenstore.watch(CALLS, () => void look());
  // A restored guest finds its calls in a home of another domid: everything is made anew there.
  await xenstore.watch('domid', () => {
    void xenstore
      .mkdir(CALLS)
      .then(() => xenstore.mkdir(ANSWERS))
      .then(() => xenstore.write(STATE, 'up'));
  });
  return new Promise<never>(() => {});
}
