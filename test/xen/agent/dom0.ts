/** The agent of domain 0: carries out its own calls and hands those for guests on through xenstore. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { messageOf } from '../../../daemon/errors.js';
import type { Xenstore } from '../../../daemon/xenstore/xenstore.js';
import { createOperations, readNode } from './operations.js';
import { perform } from './perform.js';
import { ANSWERS, type Answer, CALLS, type RoutedCall } from './protocol.js';

/** Ends when the machine outside closes the connection. */
export async function serveDom0(xenstore: Xenstore, host: string, port: number): Promise<void> {
  const operations = createOperations(xenstore, Number.POSITIVE_INFINITY);
  const socket = connect({ host, port });
  await once(socket, 'connect');
  const handle = async (call: RoutedCall): Promise<void> => {
    const answer = call.to === 0 ? perform(operations, call) : ask(xenstore, call);
    socket.write(`${JSON.stringify(await answer)}\n`);
  };
  for await (const line of createInterface({ input: socket })) {
    void handle(JSON.parse(line) as RoutedCall);
  }
}

/** One call of a guest: a node written, and its answer awaited, for as long as the guest exists. */
async function ask(xenstore: Xenstore, { to, ...call }: RoutedCall): Promise<Answer> {
  const home = `/local/domain/${to}`;
  const answerPath = `${home}/${ANSWERS}/${call.id}`;
  try {
    await xenstore.write(`${home}/${CALLS}/${call.id}`, JSON.stringify(call));
    const answer = await answered(xenstore, home, answerPath);
    await xenstore.remove(answerPath);
    return JSON.parse(answer) as Answer;
  } catch (error) {
    return { id: call.id, error: `domain ${to}: ${messageOf(error)}` };
  }
}

async function answered(xenstore: Xenstore, home: string, path: string): Promise<string> {
  let changed = (): void => {};
  const watching = await Promise.all(
    [path, '@releaseDomain'].map(watched => xenstore.watch(watched, () => changed())),
  );
  try {
    for (;;) {
      const change = new Promise<void>(resolve => {
        changed = resolve;
      });
      const value = await readNode(xenstore, path);
      if (value !== undefined) return value;
      if ((await readNode(xenstore, `${home}/domid`)) === undefined) {
        throw new Error('it is gone');
      }
      await change;
    }
  } finally {
    await Promise.all(watching.map(watch => watch.close()));
  }
}
