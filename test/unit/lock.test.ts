/** The lock: one holder, named to the second; what a dead process left does not count. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { acquireLock } from '../../daemon/lock.js';
import { temporaryDirectory } from '../support/temp-directory.js';

t.test('one at a time', async t => {
  const path = join(temporaryDirectory(t), 'lock');
  writeFileSync(path, '999999999\n');
  const first = await acquireLock(path);
  await t.rejects(acquireLock(path), {
    code: 'ALREADY_RUNNING',
    message: new RegExp(`process ${process.pid} has`),
  });
  first.release();
  t.notOk(existsSync(path));
  const second = await acquireLock(path);
  first.release();
  t.ok(existsSync(path), 'a lock is let go of once');
  second.release();
});

t.test('a directory that is not there', async t => {
  await t.rejects(acquireLock(join(temporaryDirectory(t), 'none/lock')), { code: 'FILE_ACCESS' });
});
