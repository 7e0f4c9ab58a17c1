/** For what another process does in its own time and tells nobody: asked again until it is so. */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds: far above what anything here takes, so that a slow machine is no failure. */
const DEADLINE = 20_000;

/** The first result of `ask` that is not an error; at the deadline its last error is thrown. */
export async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + DEADLINE;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(20);
    }
  }
}
