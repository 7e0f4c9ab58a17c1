/** For what another process does in its own time and tells nobody: asked again until it is so. */
import { setTimeout as delay } from 'node:timers/promises';

/** Milliseconds: far above what anything here takes, so that a slow machine is no failure. */
const DEADLINE = 60_000;
/** As many equal samples in a row count as rest. */
const RESTFUL = 25;

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

/** What `sample` says once it has stopped changing: a baseline is taken when all is quiet. */
export async function settled(sample: () => Promise<string>): Promise<string> {
  let last = '';
  let equal = 0;
  return eventually(async () => {
    const now = await sample();
    equal = now === last ? equal + 1 : 0;
    last = now;
    if (equal < RESTFUL) throw new Error(`it still changes: ${now}`);
    return now;
  });
}
