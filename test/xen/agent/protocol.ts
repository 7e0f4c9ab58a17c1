/**
 * What the tests, on the machine outside, ask of the agents in the domains. Calls reach domain 0 as lines
 * of JSON over a TCP connection, and guests from there as nodes below `data/lab` in the guest's home:
 * nothing of it depends on what is under test but the xenstore client.
 */
import type { Operations } from './operations.js';

export type OperationName = keyof Operations;
export type ParametersOf<Name extends OperationName> = Parameters<Operations[Name]>[0];
export type ResultOf<Name extends OperationName> = Awaited<ReturnType<Operations[Name]>>;

export interface Call {
  readonly id: number;
  readonly operation: OperationName;
  readonly parameters: unknown;
}

export interface RoutedCall extends Call {
  /** A domid. */
  readonly to: number;
}

export type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

/** Where a guest finds its calls and leaves its answers, one node for each, by id. */
export const LAB = 'data/lab';
export const CALLS = `${LAB}/calls`;
export const ANSWERS = `${LAB}/answers`;
export const STATE = `${LAB}/state`;

/** Bytes: what fits a node with both xenstoreds. */
export const MAX_MESSAGE = 1900;
