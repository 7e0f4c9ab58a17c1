/**
 * Turns located values that the schema has checked into the typed configuration, with the checks that a schema
 * cannot make. Goes on after a problem, so that all are found: the result must not be used then.
 */
import { posix } from 'node:path';
import { pathFault } from './address.js';
import { buildDirectory } from './build-directory.js';
import { buildExports } from './build-exports.js';
import { buildImports } from './build-imports.js';
import { buildPeers } from './build-peers.js';
import type { Config, LinkConfig, LogConfig, LogFormat, LogLevel } from './config.js';
import * as defaults from './defaults.js';
import type { LocatedMap, LocatedScalar } from './located.js';
import type { Report } from './report.js';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.js';

export function buildConfig(root: LocatedMap, report: Report): Config {
  return {
    run: buildRun(root, report),
    log: buildLog(report.map(root, 'log'), report),
    peers: buildPeers(root, report),
    directory: buildDirectory(report.map(root, 'directory'), report),
    exports: buildExports(root, report),
    imports: buildImports(root, report),
    limits: buildLimits(report.map(root, 'limits'), report),
    link: buildLink(report.map(root, 'link'), report),
    drainTimeout:
      duration(root, 'drain-timeout', defaults.DRAIN_TIMEOUT, report)?.value ??
      defaults.DEFAULT_DRAIN_TIMEOUT,
    warnings: report.warnings,
  };
}

function buildRun(root: LocatedMap, report: Report): string {
  const node = report.text(root, 'run');
  if (node === undefined) return defaults.DEFAULT_RUN;
  const plain = posix.normalize(node.value) === node.value;
  const fault = pathFault(node.value, defaults.RUN_MAX);
  if (fault !== undefined) report.wrong(node, fault);
  else if (!plain) report.wrong(node, 'a path without //, /./ and /../');
  return node.value;
}

function buildLog(map: LocatedMap, report: Report): LogConfig {
  // The schema has compared both with its lists.
  const level = report.text(map, 'level')?.value as LogLevel | undefined;
  const format = report.text(map, 'format')?.value as LogFormat | undefined;
  return {
    level: level ?? defaults.DEFAULT_LOG.level,
    format: format ?? defaults.DEFAULT_LOG.format,
  };
}

function buildLimits(map: LocatedMap, report: Report): Config['limits'] {
  const streams = report.scalar(map, 'streams-per-peer')?.value;
  const perStream = size(map, 'memory-per-stream', defaults.MEMORY_PER_STREAM, report);
  const total = size(map, 'memory-total', defaults.MEMORY_TOTAL, report);
  const limits = {
    streamsPerPeer: typeof streams === 'number' ? streams : defaults.DEFAULT_LIMITS.streamsPerPeer,
    memoryPerStream: perStream?.value ?? defaults.DEFAULT_LIMITS.memoryPerStream,
    memoryTotal: total?.value ?? defaults.DEFAULT_LIMITS.memoryTotal,
  };
  // Only memory-total can be too small for the default of the other.
  if (total !== undefined && limits.memoryTotal < limits.memoryPerStream) {
    const least = formatSize(limits.memoryPerStream);
    report.wrong(total.node, `a size that is not less than memory-per-stream (${least})`);
  }
  return limits;
}

function buildLink(map: LocatedMap, report: Report): LinkConfig {
  const auto = report.scalar(map, 'ring-size')?.value === 'auto';
  const ring = auto ? undefined : size(map, 'ring-size', defaults.RING_SIZE, report);
  const interval = duration(map, 'heartbeat-interval', defaults.HEARTBEAT_INTERVAL, report);
  const timeout = duration(map, 'heartbeat-timeout', defaults.HEARTBEAT_TIMEOUT, report);
  const heartbeatInterval = interval?.value ?? defaults.DEFAULT_HEARTBEAT.interval;
  const heartbeatTimeout = timeout?.value ?? defaults.DEFAULT_HEARTBEAT.timeout;
  const poll = duration(map, 'poll-time', defaults.POLL_TIME, report);
  const pollTime = poll === undefined ? defaults.DEFAULT_POLL_TIME : Math.round(poll.value * 1000);
  const ringOrder = ring === undefined ? 'auto' : Math.log2(ring.value);
  if (ring !== undefined && !Number.isInteger(ringOrder)) {
    report.wrong(ring.node, 'a power of two, such as 256KiB');
  }
  if (heartbeatTimeout < 2 * heartbeatInterval) {
    const [given, other] =
      timeout === undefined
        ? [interval, `at most half of heartbeat-timeout (${formatDuration(heartbeatTimeout)})`]
        : [timeout, `at least twice heartbeat-interval (${formatDuration(heartbeatInterval)})`];
    if (given !== undefined) report.wrong(given.node, `a duration of ${other}`);
  }
  // The schema lets through `auto` and 1..8.
  const pumps = report.scalar(map, 'pumps')?.value;
  return {
    ringOrder,
    heartbeatInterval,
    heartbeatTimeout,
    pollTime,
    pumps: typeof pumps === 'number' ? pumps : 'auto',
  };
}

interface Quantity {
  readonly value: number;
  readonly node: LocatedScalar;
}

/** Bytes; undefined if not given, or reported. */
function size(
  map: LocatedMap,
  key: string,
  bounds: defaults.Bounds,
  report: Report,
): Quantity | undefined {
  const node = report.scalar(map, key);
  if (node === undefined) return undefined;
  const value =
    typeof node.value === 'number' || typeof node.value === 'string'
      ? parseSize(node.value)
      : undefined;
  return bounded(node, value, bounds, formatSize, 'a size', report);
}

/** Milliseconds; undefined if not given, or reported. */
function duration(
  map: LocatedMap,
  key: string,
  bounds: defaults.Bounds,
  report: Report,
): Quantity | undefined {
  const node = report.text(map, key);
  if (node === undefined) return undefined;
  const value = parseDuration(node.value);
  return bounded(node, value, bounds, formatDuration, 'a duration', report);
}

function bounded(
  node: LocatedScalar,
  value: number | undefined,
  bounds: defaults.Bounds,
  format: (value: number) => string,
  what: string,
  report: Report,
): Quantity | undefined {
  if (value !== undefined && value >= bounds.min && value <= bounds.max) return { value, node };
  report.wrong(node, `${what} of ${format(bounds.min)}..${format(bounds.max)}`);
  return undefined;
}
