import t from 'tap';
import { pumpCount } from '../../../daemon/process/pumps.js';

t.test('one on small guests, more where there are CPUs, what is asked for anywhere', async t => {
  const auto = [1, 2, 7, 8, 11, 12, 16, 128].map(cpus => pumpCount('auto', cpus));
  t.same(auto, [1, 1, 1, 2, 2, 3, 4, 4]);
  t.equal(pumpCount(3, 1), 3);
});
