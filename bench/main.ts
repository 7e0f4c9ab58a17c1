/** `npm run bench`: xsock beside everything that a user would pick instead, in one run. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../daemon/errors.js';
import { differences } from './compare.js';
import { buildLoad } from './load.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { killAll } from './processes.js';
import { page } from './report/page.js';
import { plot } from './report/plot.js';
import { cpuTable, idleTable, placementTable, targetTable } from './report/tables.js';
import { type Results, readResults, writeResults } from './results.js';
import { runBenchmark } from './run.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RESULTS = `${ROOT}bench/results.json`;
const EXIT_USAGE = 64;
/** Enough for 10,000 connections, each with two descriptors in a proxy. */
const DESCRIPTORS = 40_000;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Where it is not allowed, some routes hold fewer idle connections than others. */
function raiseDescriptorLimit(): void {
  try {
    const limit = `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`;
    execFileSync('prlimit', ['--pid', String(process.pid), limit], { stdio: 'ignore' });
  } catch {
    say(
      `some routes will hold fewer connections: ulimit -n gives less than ${DESCRIPTORS} descriptors`,
    );
  }
}

function print(results: Results): void {
  for (const placement of ['one', 'two', 'free']) {
    if (!Object.keys(results.series).some(key => key.startsWith(`${placement}/`))) continue;
    say(`\n${placement}\n${placementTable(results, placement)}\n${cpuTable(results, placement)}`);
  }
  say(`\n${idleTable(results)}\n\n${targetTable(results)}`);
  for (const failure of results.failures) say(`failed: ${failure}`);
}

function write(results: Results): void {
  const earlier = readResults(RESULTS);
  if (earlier !== undefined) {
    for (const text of differences(earlier, results)) say(`since ${earlier.date}: ${text}`);
  }
  writeResults(RESULTS, results);
  writeFileSync(`${ROOT}docs/performance.md`, page(results));
  writeFileSync(`${ROOT}docs/performance.svg`, plot(results, 'one'));
  say('written: docs/performance.md, docs/performance.svg, bench/results.json');
}

async function bench(options: Options): Promise<void> {
  const begin = Date.now();
  raiseDescriptorLimit();
  await buildLoad();
  const results = await runBenchmark(options, say);
  print(results);
  if (!options.partial) write(results);
  say(`${Math.round((Date.now() - begin) / 1000)} s`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });
}
process.once('exit', killAll);

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) say(USAGE);
  else await bench(options);
} catch (error) {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  if (error instanceof UsageError) process.stderr.write(`${USAGE}\n`);
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
}
