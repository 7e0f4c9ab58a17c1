/** One boot for one test file: the console goes to a file, and its end into the output of a test that fails. */
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Test } from 'tap';
import { LAB, type LabOptions, prepared, XenLab } from './lab.js';

/** Milliseconds: far more than a boot with all cases takes. */
const LIMIT = 1_700_000;

export async function bootFor(
  t: Test,
  options: LabOptions,
  body: (t: Test, lab: XenLab) => Promise<void>,
): Promise<void> {
  const name = `${options.xenstored}, ${options.guestType} guests`;
  const skip = prepared();
  await t.test(`Xen with ${name}`, { skip, timeout: LIMIT }, async t => {
    const logs = join(LAB, 'logs');
    mkdirSync(logs, { recursive: true });
    const logFile = join(logs, `${basename(process.argv[1] ?? 'console', '.test.js')}.log`);
    const lab = await XenLab.boot(options, logFile);
    t.teardown(async () => {
      await lab.powerOff();
      t.comment(`console: ${logFile}`);
      if (!t.passing()) t.comment(lab.console.tail());
    });
    const banner = (await lab.dom0.run(['xl', 'dmesg'])).match(/Xen version .*/);
    t.comment(banner?.[0] ?? 'Xen said no version');
    await body(t, lab);
  });
}
