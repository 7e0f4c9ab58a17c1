/** A route between two UNIX sockets, as a pair of proxies: client -> front -> hop -> target <- server. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Placement } from '../placement.js';
import { type Started, start, until } from '../processes.js';

/** A program that has to be there, and the Debian package that brings it. */
export interface Need {
  readonly program: string;
  readonly package: string;
  /** Where it is if not in the PATH. */
  readonly folders?: readonly string[];
}

/** One that runs. */
export interface Route {
  /** Where clients connect. */
  readonly dial: string;
  /** Where the server listens. */
  readonly listen: string;
  /** Processes whose CPU time and memory count. */
  readonly pids: readonly number[];
  /** Whether one of its processes has ended by itself. */
  ended(): boolean;
  /** What its processes have printed last, for whoever has to find out what went wrong. */
  tails(): string;
  stop(): Promise<void>;
}

export interface Peer {
  readonly id: string;
  readonly title: string;
  readonly needs: readonly Need[];
  /** Null if it has no version of its own. */
  readonly version: readonly string[] | null;
  /** Descriptors that one of its processes has for each connection. */
  readonly descriptors: number;
  /** Connections that it is asked to hold idle at most; it would take more memory than it is worth. */
  readonly maxIdle?: number;
  /** Starts it in an empty directory; resolves when it can be used. */
  open(directory: string, placement: Placement): Promise<Route>;
}

const EXTRA_FOLDERS = ['/usr/sbin', '/sbin'];

/** The path of a program; undefined if it is not installed. */
export async function findProgram(need: Need): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...EXTRA_FOLDERS];
  for (const folder of [...folders, ...(need.folders ?? [])]) {
    const path = join(folder, need.program);
    const found = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

/** Stops all of them, last started first. */
export async function stopAll(started: readonly Started[]): Promise<void> {
  for (const one of started.toReversed()) await one.stop();
}

/** The command of one proxy that listens at a path and connects to another. */
type ProxyCommand = (listen: string, connect: string, directory: string) => Promise<string[]>;

/** A pair of proxies with a UNIX socket in between. */
export async function openPair(
  directory: string,
  placement: Placement,
  near: ProxyCommand,
  far: ProxyCommand = near,
  hop = join(directory, 'hop'),
): Promise<Route> {
  const front = join(directory, 'front');
  const target = join(directory, 'target');
  const started: Started[] = [];
  try {
    started.push(await start(await far(hop, target, join(directory, 'far')), placement.serverCpu));
    started.push(await start(await near(front, hop, join(directory, 'near')), placement.clientCpu));
    for (const path of [front, ...(hop.startsWith('/') ? [hop] : [])]) {
      await until(`${path} appears`, started, () => access(path));
    }
  } catch (error) {
    await stopAll(started);
    throw error;
  }
  return {
    dial: front,
    listen: target,
    pids: started.map(one => one.pid),
    ended: () => started.some(one => one.ended()),
    tails: () => started.map(one => one.tail()).join('\n'),
    stop: () => stopAll(started),
  };
}
