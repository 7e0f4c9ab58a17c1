/** What the figures were measured on: machine, kernel, versions of everything that took part. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { findProgram, type Peer } from './peers/peer.js';

const run = promisify(execFile);
const GIB = 2 ** 30;

/** The first thing in what a program prints that looks like a version. */
async function versionOf(command: readonly string[]): Promise<string> {
  const [program = '', ...args] = command;
  const path = (await findProgram({ program, package: '' })) ?? program;
  try {
    const { stdout, stderr } = await run(path, args);
    return /v?\d+(\.\d+)+[-+~\w.]*|\b\d{3}\b/.exec(`${stdout}\n${stderr}`)?.[0] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';
  } catch {
    return 'unknown';
  }
}

export async function describeMachine(peers: readonly Peer[]): Promise<Record<string, string>> {
  const described: Record<string, string> = {
    CPU: `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / GIB)} GiB`,
    'load when it began': loadavg()[0]?.toFixed(2) ?? 'unknown',
    kernel: release(),
    system: distribution(),
    Node: process.version,
    compiler: `g++ ${await versionOf(['g++', '--version'])}`,
    wmem_max: readFileSync('/proc/sys/net/core/wmem_max', 'utf8').trim(),
  };
  for (const { title, version } of peers) {
    if (version !== null) described[title] = await versionOf(version);
  }
  return described;
}
