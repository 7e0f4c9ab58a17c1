/** bench/bounds.json: what a move may take, and what is said of one that takes more, or far less. */
import { readFileSync, writeFileSync } from 'node:fs';
import { shown } from '../report/number.js';
import type { Cost } from './counting.js';

export interface Bounds {
  /** What was measured may grow by this factor: the order in which threads run changes the counts. */
  readonly margin: number;
  readonly moves: Readonly<Record<string, Cost>>;
}

export interface Verdict {
  readonly kind: 'within' | 'over' | 'far below' | 'new';
  readonly text: string;
}

export function judge(move: string, cost: Cost, bounds: Bounds): Verdict[] {
  const known = bounds.moves[move];
  return (['instructions', 'systemCalls'] as const).map(what => {
    const measured = cost[what];
    const expected = known?.[what];
    const text = `${move}: ${shown(measured)} ${what === 'instructions' ? 'instructions' : 'system calls'}`;
    if (expected === undefined) return { kind: 'new', text: `${text}, no bound` };
    const bound = expected * bounds.margin;
    const compared = `${text}, bound ${shown(bound)}`;
    if (measured > bound) return { kind: 'over', text: compared };
    return { kind: measured * bounds.margin < expected ? 'far below' : 'within', text: compared };
  });
}

export const readBounds = (path: string): Bounds =>
  JSON.parse(readFileSync(path, 'utf8')) as Bounds;

export function writeBounds(path: string, bounds: Bounds): void {
  const rounded = Object.entries(bounds.moves).map(([move, { instructions, systemCalls }]) => [
    move,
    { instructions: Math.round(instructions), systemCalls: Math.round(systemCalls * 10) / 10 },
  ]);
  const moves = Object.fromEntries(rounded) as Bounds['moves'];
  writeFileSync(path, `${JSON.stringify({ margin: bounds.margin, moves }, null, 2)}\n`);
}
