/** The suite of every back end, on Xen's own devices. */
import type { Test } from 'tap';
import type { XenLab } from '../lab.js';

export async function contractCases(t: Test, lab: XenLab): Promise<void> {
  const { stdout, stderr, signal } = await lab.dom0.ask('run', {
    argv: ['/opt/test/xen_contract'],
  });
  for (const [, verdict, name] of stdout.matchAll(/^(ok|not ok) \d+ - (.*)$/gm)) {
    t.equal(verdict, 'ok', `contract: ${name}`);
  }
  t.match(stdout, /^1\.\.\d+$/m, `the suite came to its end ${signal ?? ''} ${stderr}`);
  if (!t.passing()) t.comment(stdout);
}
