import t from 'tap';
import { parseCpuList, placements } from '../../../bench/placement.js';

t.test('lists of CPUs as the kernel writes them', async t => {
  t.same(parseCpuList('0-3,6\n'), [0, 1, 2, 3, 6]);
  t.same(parseCpuList('5'), [5]);
});

t.test('two domains need two CPUs, whichever they are', async t => {
  t.same(
    placements([4]).map(({ id }) => id),
    ['one', 'free'],
  );
  const [one, two, free] = placements([2, 7]);
  t.match(one, { id: 'one', clientCpu: 2, serverCpu: 2 });
  t.match(two, { id: 'two', clientCpu: 2, serverCpu: 7 });
  t.match(free, { id: 'free', clientCpu: undefined, serverCpu: undefined });
});
