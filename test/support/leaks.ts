/** What the kernel counts for a process. */
import { readdirSync } from 'node:fs';

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
