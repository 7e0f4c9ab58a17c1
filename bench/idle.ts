/** Connections that nobody uses, and daemons that have none: what they cost. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../daemon/errors.js';
import { holding, measure } from './load.js';
import type { Say } from './options.js';
import type { Peer, Route } from './peers/peer.js';
import type { Placement } from './placement.js';
import type { AtRest, Idle, Results } from './results.js';
import { Session } from './session.js';
import { cpuSeconds, descriptorLimit, memoryOf, residentOf } from './usage.js';

/** After the last connection, before the idle time is measured: polling has stopped by then. */
const SETTLE_MS = 1000;
const IDLE_MS = 2000;
/** Descriptors that are no connections. */
const RESERVED = 100;

async function measureIdle(route: Route, placement: Placement, connections: number): Promise<Idle> {
  // The first connection of a process is not what one more costs.
  await measure(route, placement, ['roundtrip', '--seconds', '0.05', '--warm-up', '0']);
  const before = memoryOf(route.pids);
  return holding(route, placement, connections, async () => {
    await sleep(SETTLE_MS);
    const bytes = memoryOf(route.pids) - before;
    const cpu = cpuSeconds(route.pids);
    await sleep(IDLE_MS);
    const used = cpuSeconds(route.pids) - cpu;
    return {
      connections,
      bytesEach: Math.max(0, bytes) / connections,
      cpuPercent: (used / (IDLE_MS / 1000)) * 100,
    };
  });
}

/** As many connections as the limit of descriptors leaves to one of its processes. */
function possible(peer: Peer, count: number): number {
  const limit = descriptorLimit() - RESERVED;
  return Math.min(count, peer.descriptors === 0 ? count : Math.floor(limit / peer.descriptors));
}

/** Measures each peer with each number of connections, in fresh processes. */
export async function measureAllIdle(
  peers: readonly Peer[],
  placement: Placement,
  counts: readonly number[],
  results: Results,
  say: Say,
): Promise<void> {
  for (const peer of peers.filter(({ id }) => id !== 'plain')) {
    for (const count of counts.filter(count => count <= (peer.maxIdle ?? count))) {
      const session = new Session(await mkdtemp(join(tmpdir(), 'xsb-')), placement, results, say);
      try {
        const route = await session.route(peer);
        if (route === null) continue;
        if (peer.id === 'xsock') results.atRest ??= await measureAtRest(route);
        results.idle[`${peer.id}/${count}`] = await measureIdle(
          route,
          placement,
          possible(peer, count),
        );
      } catch (error) {
        results.failures.push(`${peer.title}, ${count} idle connections: ${messageOf(error)}`);
      } finally {
        await session.end();
      }
    }
  }
}

/** V8 gives memory back when it has had nothing to do for some seconds; what it keeps then is what it takes. */
const REST_MS = 30_000;

/** The larger of the two daemons, and Node with nothing to do. */
async function measureAtRest(route: Route): Promise<AtRest> {
  const empty = spawn(process.execPath, ['-e', 'console.log(); setInterval(() => {}, 1e6)'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Leads a group, as usage.ts expects.
    detached: true,
  });
  await once(empty.stdout, 'data');
  await sleep(REST_MS);
  try {
    const node = residentOf([empty.pid ?? 0]);
    return { daemon: Math.max(...route.pids.map(pid => residentOf([pid]))), node };
  } finally {
    empty.kill();
  }
}
