/** What processes, each the leader of a group, and their children use, as Linux tells it in /proc. */
import { readdirSync, readFileSync } from 'node:fs';

const NANOSECONDS = 1e9;
/** USER_HZ: the unit of /proc/PID/stat, 100 a second on every Linux that Node runs on. */
const TICKS = 100;
const KIB = 1024;

/** A process that has ended has no files any more, and uses nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The fields of /proc/PID/stat, numbered from 0; the name (1), which may hold spaces, is cut out. */
function statOf(pid: number | string): string[] {
  return read(`/proc/${pid}/stat`)
    .replace(/\(.*\)/s, '-')
    .split(' ');
}

function threads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Everything in the process groups that these lead: they and their children. */
function groups(leaders: readonly number[]): number[] {
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  return processes.filter(pid => leaders.includes(Number(statOf(pid)[4]))).map(Number);
}

/** CPU time of children that have ended and been waited for: seconds. */
function endedChildren(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[15] ?? 0) + Number(fields[16] ?? 0)) / TICKS;
}

/** CPU seconds that the processes and their groups have used until now. */
export function cpuSeconds(pids: readonly number[]): number {
  let total = 0;
  for (const pid of groups(pids)) {
    total += endedChildren(pid);
    for (const thread of threads(pid)) {
      total += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0]) / NANOSECONDS;
    }
  }
  return total;
}

function memory(pids: readonly number[], field: string): number {
  return groups(pids).reduce((total, pid) => {
    const match = new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(read(`/proc/${pid}/smaps_rollup`));
    return total + Number(match?.[1] ?? 0) * KIB;
  }, 0);
}

/** Bytes of user memory, what is shared counted once. */
export function memoryOf(pids: readonly number[]): number {
  return memory(pids, 'Pss');
}

/** Bytes of memory that are resident, shared or not. */
export function residentOf(pids: readonly number[]): number {
  return memory(pids, 'Rss');
}

/** Descriptors that a process started here may have. */
export function descriptorLimit(): number {
  const limit = /^Max open files +\d+ +(\d+)/m.exec(read('/proc/self/limits'))?.[1];
  return Number(limit ?? 1024);
}
