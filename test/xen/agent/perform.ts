/** Carries out a call and words its answer. */
import { messageOf } from '../../../daemon/errors.js';
import type { Operations } from './operations.js';
import type { Answer, Call } from './protocol.js';

export async function perform(operations: Operations, call: Call): Promise<Answer> {
  try {
    const operation = operations[call.operation] as (parameters: unknown) => Promise<unknown>;
    return { id: call.id, result: await operation(call.parameters) };
  } catch (error) {
    return { id: call.id, error: messageOf(error) };
  }
}
