/** Sends an answer as JSON; long lists in portions, so that neither writing nor a slow reader blocks the rest. */
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PORTION } from '../portions.js';

export async function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
): Promise<void> {
  response.writeHead(status, { 'content-type': 'application/json' });
  if (Array.isArray(value) && value.length > PORTION) {
    await sendList(response, value);
  } else {
    response.end(`${JSON.stringify(value)}\n`);
  }
}

async function sendList(response: ServerResponse, list: readonly unknown[]): Promise<void> {
  for (let offset = 0; offset < list.length; offset += PORTION) {
    const texts = list.slice(offset, offset + PORTION).map(item => JSON.stringify(item));
    const taken = response.write(`${offset === 0 ? '[' : ','}${texts.join(',')}`);
    if (!taken) await drained(response);
    await nextTurn();
    if (response.destroyed) return;
  }
  response.end(']\n');
}

/** The reader has read what is buffered, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}
