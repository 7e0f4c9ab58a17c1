/**
 * The routes that are open for one placement. All are open at once, so that each metric is measured
 * through one right after the other; one that fails is started anew, for the next metric.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../daemon/errors.js';
import { measure } from './load.js';
import type { Metric } from './metrics.js';
import type { Options, Say } from './options.js';
import type { Peer, Route } from './peers/peer.js';
import type { Placement } from './placement.js';
import { type Results, seriesKey } from './results.js';
import { cpuSeconds } from './usage.js';

export class Session {
  readonly #directory: string;
  readonly #placement: Placement;
  readonly #results: Results;
  readonly #say: Say;
  readonly #open = new Map<Peer, Route>();
  #opened = 0;

  constructor(directory: string, placement: Placement, results: Results, say: Say) {
    this.#directory = directory;
    this.#placement = placement;
    this.#results = results;
    this.#say = say;
  }

  /** The route of a peer, started if it is not there or has ended by itself; null, noted as a failure, if it does not start. */
  async route(peer: Peer): Promise<Route | null> {
    const open = this.#open.get(peer);
    if (open !== undefined && !open.ended()) return open;
    await this.close(peer);
    this.#opened += 1;
    const directory = join(this.#directory, `${peer.id}${this.#opened}`);
    await mkdir(directory);
    try {
      const route = await peer.open(directory, this.#placement);
      this.#open.set(peer, route);
      return route;
    } catch (error) {
      this.#fail(`${peer.title} (${this.#placement.title}): ${messageOf(error)}`);
      return null;
    }
  }

  /** Measures once, and adds to the series of each value. */
  async measure(peer: Peer, metric: Metric, options: Options): Promise<void> {
    const route = await this.route(peer);
    const numbers = route === null ? null : await this.#numbers(peer, route, metric, options);
    for (const value of metric.values) {
      if (value.ofProxies && peer.id === 'plain') continue;
      const key = seriesKey(this.#placement.id, metric.id, value.id, peer.id);
      const before = this.#results.series[key] ?? [];
      this.#results.series[key] = [...before, numbers?.get(value.id) ?? null];
    }
  }

  async #numbers(
    peer: Peer,
    route: Route,
    metric: Metric,
    options: Options,
  ): Promise<Map<string, number> | null> {
    const times = ['--seconds', String(options.seconds), '--warm-up', String(options.warmUp)];
    try {
      const before = cpuSeconds(route.pids);
      const json = await measure(route, this.#placement, [...metric.load, ...times]);
      const answer = { json, cpu: cpuSeconds(route.pids) - before };
      return new Map(metric.values.map(value => [value.id, value.read(answer)]));
    } catch (error) {
      const reason = messageOf(error).trim();
      this.#fail(`${peer.title} (${this.#placement.title}), ${metric.title}: ${reason}`);
      this.#say(route.tails().trim());
      await this.close(peer);
      return null;
    }
  }

  #fail(what: string): void {
    const text = what.replaceAll(`${this.#directory}/`, '').replace(/\s+/g, ' ').trim();
    this.#results.failures.push(text);
    this.#say(text);
  }

  async close(peer: Peer): Promise<void> {
    const route = this.#open.get(peer);
    this.#open.delete(peer);
    await route?.stop();
  }

  async end(): Promise<void> {
    for (const peer of [...this.#open.keys()]) await this.close(peer);
    await rm(this.#directory, { recursive: true, force: true });
  }
}
