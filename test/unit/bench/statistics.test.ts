import t from 'tap';
import type { Results } from '../../../bench/results.js';
import { median, ratioOf, ratios } from '../../../bench/statistics.js';

t.test('the median leaves out what failed', async t => {
  t.equal(median([3, null, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.equal(median([null]), null);
  t.equal(median([]), null);
});

t.test('a ratio is to the same repetition', async t => {
  t.same(ratios([2, 9, null, 4], [1, 3, 5, null]), [2, 3, null, null]);
  t.same(ratios([1], [0]), [null]);
});

t.test('the ratio of medians is not the median of ratios', async t => {
  const results = {
    series: {
      'one/roundtrip-64/p50/plain': [10, 20, 40],
      'one/roundtrip-64/p50/xsock': [30, 30, 160],
    },
  } as unknown as Results;
  t.equal(ratioOf(results, 'one', 'roundtrip-64', 'p50', 'xsock'), 3);
  t.equal(ratioOf(results, 'one', 'roundtrip-64', 'p50', 'haproxy'), null);
});
