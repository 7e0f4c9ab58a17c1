/** Nothing of ours is left: what the loopback machine and the kernel count. */
import { readdirSync } from 'node:fs';
import type { MachineClient } from '../../daemon/loopback/client.js';
import { eventually } from './eventually.js';

/** What a running daemon with no link but its own holds: two hypercall connections, nothing else. */
export async function nothingHeld(machine: MachineClient): Promise<void> {
  await eventually(async () => {
    const counts = await machine.counts();
    const held = counts.filter(
      ({ grants, mappings, eventChannels }) => grants + mappings + eventChannels > 0,
    );
    if (held.length > 0) {
      throw new Error(`still held: ${JSON.stringify(held)}`);
    }
  });
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
