import t from 'tap';
import { differences } from '../../../bench/compare.js';
import { page } from '../../../bench/report/page.js';
import { plot } from '../../../bench/report/plot.js';
import type { Results } from '../../../bench/results.js';

/** A run with two routes and little else. */
const results = (rate: number): Results => ({
  date: '2006-01-02',
  machine: { kernel: '6.1' },
  repetitions: 1,
  seconds: 0.3,
  peers: { plain: 'plain socket', xsock: 'xsock <here>' },
  skipped: { HAProxy: 'haproxy is not installed (apt-get install haproxy)' },
  series: {
    'one/throughput-65536-1/rate/plain': [6000],
    'one/throughput-65536-1/rate/xsock': [rate],
    'one/throughput-65536-1/cpu/xsock': [0.2],
    'one/roundtrip-64/p50/plain': [10],
    'one/roundtrip-64/p50/xsock': [30],
  },
  idle: { 'xsock/10000': { connections: 10_000, bytesEach: 256, cpuPercent: 0 } },
  atRest: { daemon: 60 * 2 ** 20, node: 40 * 2 ** 20 },
  failures: ['nginx: does not start'],
});

t.test('the page shows values, ratios, targets, and what is missing', async t => {
  const text = page(results(2400));
  t.match(text, '| bulk 64 KiB, 1 stream, MiB/s | 6000 | 2400 (0.40) |');
  t.match(text, '| bulk 64 KiB, 1 stream, one CPU | >= 0.50 | 0.40 | **missed by 20 %** |');
  t.match(text, '| round trip 64 B, one CPU | <= 3.50 | 3.00 | met |');
  t.match(text, '| connections, 1 at once, one CPU | >= 0.50 | - | **not measured** |');
  t.match(text, '| memory of an idle connection, of 10,000 | <= 0.50 KiB | 0.25 KiB | met |');
  t.match(text, '- HAProxy: haproxy is not installed (apt-get install haproxy)');
  t.match(text, '- nginx: does not start');
  t.match(text, 'A daemon at rest takes 60.0 MiB');
});

t.test('the plot escapes names, and draws a bar for each contender', async t => {
  const svg = plot(results(2400), 'one');
  t.match(svg, 'xsock &#60;here&#62;');
  t.match(svg, '>0.40</text>');
  t.match(svg, /<rect [^>]*fill="#0b6e4f"/);
});

t.test('a later run is compared by its ratios', async t => {
  t.same(differences(results(2400), results(2500)), []);
  t.same(differences(results(2400), results(1800)), [
    'WORSE: one/throughput-65536-1/rate 0.40 -> 0.30',
  ]);
  t.same(differences(results(2400), results(3000)), [
    'better: one/throughput-65536-1/rate 0.40 -> 0.50',
  ]);
});
