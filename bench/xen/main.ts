/** `npm run bench:xen`: xsock beside vchan-socket-proxy and TCP, between domains of one booted Xen. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf } from '../../daemon/errors.js';
import { LAB, prepareLab, XenLab } from '../../test/xen/lab.js';
import { METRICS, Measurer } from './measure.js';
import { keyOf, targetTable, type XenResults, xenPage } from './page.js';
import { startPairs } from './pairs.js';
import { WAYS } from './ways.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const REPETITIONS = 5;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function measureAll(lab: XenLab, repetitions: number): Promise<XenResults> {
  const pairs = await startPairs(lab);
  const banner = /Xen version \S+/.exec(await lab.dom0.run(['xl', 'dmesg']));
  const measurer = new Measurer(lab.dom0);
  const series: Record<string, (number | null)[]> = {};
  const cpu: Record<string, (number | null)[]> = {};
  const failures: string[] = [];
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    for (const pair of pairs) {
      for (const metric of METRICS) {
        for (const way of WAYS) {
          const key = keyOf(pair.title, metric.id, way.id);
          const measured = await measurer.measure(way, pair, metric).catch((error: unknown) => {
            failures.push(`${way.title}, ${pair.title}, ${metric.title}: ${messageOf(error)}`);
            return null;
          });
          series[key] = [...(series[key] ?? []), measured?.result ?? null];
          cpu[key] = [...(cpu[key] ?? []), measured?.cpu ?? null];
          say(`${repetition}: ${key}: ${measured?.result ?? 'failed'} ${metric.unit}`);
        }
      }
    }
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      Xen: banner?.[0] ?? 'unknown',
      kernel: (await lab.dom0.run(['uname', '-sr'])).trim(),
      QEMU:
        execFileSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).split('\n')[0] ??
        '',
      domains: 'one virtual CPU each, on two emulated CPUs; PV guests, oxenstored',
    },
    repetitions,
    pairs: pairs.map(({ title }) => title),
    series,
    cpu,
    failures: [...new Set(failures)],
  };
}

async function bench(repetitions: number): Promise<void> {
  const begin = Date.now();
  const reason = prepareLab();
  if (reason !== false) {
    say(`skipped: ${reason}`);
    return;
  }
  const folder = join(ROOT, 'bench/xen');
  execFileSync('make', ['-s', '-C', folder], { stdio: 'inherit' });
  mkdirSync(join(LAB, 'logs'), { recursive: true });
  const lab = await XenLab.boot(
    {
      xenstored: 'oxenstored',
      guestType: 'pv',
      network: true,
      programs: [join(folder, 'build/stream-load')],
    },
    join(LAB, 'logs/bench.log'),
  );
  try {
    const results = await measureAll(lab, repetitions);
    say(`\n${targetTable(results)}\n`);
    if (repetitions >= REPETITIONS) {
      writeFileSync(join(ROOT, 'docs/performance-xen.md'), xenPage(results));
      say('written: docs/performance-xen.md');
    } else {
      say(xenPage(results));
    }
  } finally {
    await lab.powerOff();
  }
  say(`${Math.round((Date.now() - begin) / 1000)} s`);
}

const { values } = parseArgs({ options: { repetitions: { type: 'string', default: '5' } } });
const repetitions = Number(values.repetitions);
if (Number.isInteger(repetitions) && repetitions > 0) {
  await bench(repetitions);
} else {
  process.stderr.write(`--repetitions is a number from 1, not '${values.repetitions}'\n`);
  process.exitCode = 64;
}
