/** One run: every placement, repetition, metric and peer, and the idle connections. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureAllIdle } from './idle.js';
import { describeMachine } from './machine.js';
import { METRICS } from './metrics.js';
import type { Options, Say } from './options.js';
import { available, PEERS } from './peers/all.js';
import type { Peer } from './peers/peer.js';
import { allowedCpus, type Placement, placements } from './placement.js';
import type { Results } from './results.js';
import { Session } from './session.js';

const IDLE = [1000, 10_000];

function wanted(options: Options): Peer[] {
  const { only } = options;
  return PEERS.filter(({ id }) => id === 'plain' || only === undefined || only.includes(id));
}

async function measurePlacement(
  placement: Placement,
  peers: readonly Peer[],
  options: Options,
  results: Results,
  say: Say,
): Promise<void> {
  const session = new Session(await mkdtemp(join(tmpdir(), 'xsb-')), placement, results, say);
  try {
    for (let repetition = 1; repetition <= options.repetitions; repetition++) {
      say(`${placement.title}, repetition ${repetition} of ${options.repetitions}`);
      for (const metric of METRICS.filter(({ id }) => id.startsWith(options.metric))) {
        for (const peer of peers) await session.measure(peer, metric, options);
      }
    }
  } finally {
    await session.end();
  }
}

export async function runBenchmark(options: Options, say: Say): Promise<Results> {
  const { present, skipped } = await available(wanted(options));
  for (const { peer, reason } of skipped) say(`${peer.title} is skipped: ${reason}`);
  const results: Results = {
    date: new Date().toISOString().slice(0, 10),
    machine: await describeMachine(present),
    repetitions: options.repetitions,
    seconds: options.seconds,
    peers: Object.fromEntries(present.map(({ id, title }) => [id, title])),
    skipped: Object.fromEntries(skipped.map(({ peer, reason }) => [peer.title, reason])),
    series: {},
    idle: {},
    atRest: null,
    failures: [],
  };
  const chosen = placements(allowedCpus()).filter(
    ({ id }) => options.placements?.includes(id) ?? true,
  );
  for (const placement of chosen) {
    await measurePlacement(placement, present, options, results, say);
  }
  const free = placements(allowedCpus()).at(-1);
  if (options.idle && free !== undefined) {
    say('idle connections');
    await measureAllIdle(present, free, options.quick ? [1000] : IDLE, results, say);
  }
  return results;
}
