/** The set-up of docs/xen.md, line by line in a clean Debian, as somebody would who reads it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { CHECKOUT, NODE_LAYER, prepared, SOURCE_LAYER } from './lab.js';
import { Machine } from './machine.js';
import {
  ACTIVE,
  HYPERVISOR,
  HYPERVISOR_UNIT,
  LOOPBACK_DROP_IN,
  startHypervisor,
  stepsOf,
  UNIT,
} from './service-machine.js';

/** What cannot be done here, with the reason. */
const NOT_HERE: readonly (readonly [RegExp, string])[] = [
  [/^udevadm /, 'udev does not run in a container'],
  [/^ls -l \/dev\/xen/, 'this is no Xen domain'],
  [/^editor /, 'is for a human'],
];

/** The lines of the section's shell blocks. */
function setUp(): readonly string[] {
  const path = fileURLToPath(new URL('../../../docs/xen.md', import.meta.url));
  const [section = ''] = readFileSync(path, 'utf8').split(/^## /m).slice(1);
  const blocks = [...section.matchAll(/^ *```sh\n(.*?)^ *```$/gms)];
  const lines = blocks.flatMap(([, body = '']) => body.split('\n'));
  return lines.map(line => line.trim()).filter(Boolean);
}

t.test('every line of the set-up works', { skip: prepared() }, async t => {
  const step = stepsOf(t);
  const machine = await Machine.boot(t, 'instructions', [NODE_LAYER, SOURCE_LAYER], {
    [`/etc/systemd/system/${HYPERVISOR}`]: HYPERVISOR_UNIT,
    [`/etc/systemd/system/${UNIT}.d/loopback.conf`]: LOOPBACK_DROP_IN,
  });
  const lines = setUp();
  t.ok(lines.length > 15, `${lines.length} lines`);
  // One shell for all would hide which line failed: variables are set again for each.
  const variables: string[] = [];
  for (const line of lines) {
    if (/^[A-Z]\w*=\S+$/.test(line)) variables.push(line);
    const reason = NOT_HERE.find(([pattern]) => pattern.test(line))?.[1];
    const body = async (t: Test): Promise<void> => {
      if (line.startsWith('systemctl enable')) await startHypervisor(machine);
      const shell = [`cd ${CHECKOUT}`, ...variables, line].join('\n');
      const { code, stdout, stderr } = await machine.run(shell);
      t.equal(code, 0, code === 0 ? 'ends with 0' : `${stdout}${stderr}`);
    };
    await step(line, body, reason);
  }
  t.equal((await machine.until(UNIT, ACTIVE)).UnitFileState, 'enabled');
});
