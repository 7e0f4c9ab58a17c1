import t from 'tap';
import { judge } from '../../../bench/gate/bounds.js';

const bounds = { margin: 1.2, moves: { roundtrip: { instructions: 1000, systemCalls: 10 } } };
const kinds = (instructions: number, systemCalls: number, move = 'roundtrip') =>
  judge(move, { instructions, systemCalls }, bounds).map(({ kind }) => kind);

t.test('within the margin passes, beyond it fails, far below requests a new bound', async t => {
  t.same(kinds(1199, 8.5), ['within', 'within']);
  t.same(kinds(1201, 12.1), ['over', 'over']);
  t.same(kinds(800, 8), ['far below', 'far below']);
  t.same(kinds(1, 1, 'something-else'), ['new', 'new']);
});
