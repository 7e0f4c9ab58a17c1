/** The benchmark measures: the load generator's modes, a pair of proxies, and xsock, each briefly. */
import { join } from 'node:path';
import t from 'tap';
import { buildLoad, holding, measure } from '../../bench/load.js';
import { METRICS } from '../../bench/metrics.js';
import { node } from '../../bench/peers/node.js';
import type { Peer } from '../../bench/peers/peer.js';
import { plain } from '../../bench/peers/plain.js';
import { xsock } from '../../bench/peers/xsock.js';
import { placements } from '../../bench/placement.js';
import { cpuSeconds, memoryOf } from '../../bench/usage.js';
import { temporaryDirectory } from '../support/temp-directory.js';

const BRIEFLY = ['--seconds', '0.05', '--warm-up', '0'];
const [placement] = placements([0]).slice(-1);
if (placement === undefined) throw new Error('there is always one');

await buildLoad();

for (const peer of [plain, node, xsock] as readonly Peer[]) {
  t.test(`${peer.title}: every metric has values`, async t => {
    const route = await peer.open(temporaryDirectory(t), placement);
    t.teardown(() => route.stop());
    for (const metric of METRICS) {
      const before = cpuSeconds(route.pids);
      const json = await measure(route, placement, [...metric.load, ...BRIEFLY]);
      const answer = { json, cpu: cpuSeconds(route.pids) - before };
      for (const value of metric.values) {
        t.ok(value.ofProxies || value.read(answer) > 0, `${metric.id}: ${value.id}`);
      }
      if (route.pids.length > 0) t.ok(answer.cpu > 0, `${metric.id}: CPU time`);
    }
    const held = await holding(route, placement, 100, async () => memoryOf(route.pids));
    t.equal(held > 0, route.pids.length > 0);
  });
}

t.test('a contender that does not connect is an error that names it', async t => {
  const path = join(temporaryDirectory(t), 'nobody');
  const route = await plain.open(temporaryDirectory(t), placement);
  await t.rejects(measure({ ...route, dial: path }, placement, ['roundtrip']), {
    message: /nobody: No such file or directory/,
  });
  await t.rejects(
    holding({ ...route, dial: path }, placement, 1, async () => 0),
    {
      message: /nobody: No such file or directory/,
    },
  );
});
