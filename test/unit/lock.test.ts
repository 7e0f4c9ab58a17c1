/** The locks: one holder, named to the second; what a dead process left does not count. */
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { acquireLock, lockExisting } from '../../daemon/lock.js';
import { CleanupStack } from '../../daemon/process/cleanup-stack.js';
import { takeDomain } from '../../daemon/process/surroundings.js';
import { temporaryDirectory } from '../support/temp-directory.js';

t.test('one at a time', async t => {
  const path = join(temporaryDirectory(t), 'lock');
  writeFileSync(path, '999999999\n');
  const first = acquireLock(path);
  t.throws(() => acquireLock(path), {
    code: 'ALREADY_RUNNING',
    message: new RegExp(`process ${process.pid} has`),
  });
  first.release();
  t.notOk(existsSync(path));
  const second = acquireLock(path);
  first.release();
  t.ok(existsSync(path), 'a lock is let go of once');
  second.release();
});

t.test('a user who may not write the file may not lock it', async t => {
  const path = join(temporaryDirectory(t), 'lock');
  writeFileSync(path, 'left by a crash\n');
  chmodSync(path, 0o644);
  const lock = acquireLock(path);
  t.equal(statSync(path).mode & 0o777, 0o600);
  lock.release();
});

t.test('a directory that is not there', async t => {
  t.throws(() => acquireLock(join(temporaryDirectory(t), 'none/lock')), { code: 'FILE_ACCESS' });
});

t.test('a device is locked as it is: nothing is written, nothing is removed', async t => {
  const device = join(temporaryDirectory(t), 'evtchn');
  t.throws(() => lockExisting(device), { code: 'FILE_ACCESS' });
  t.notOk(existsSync(device));
  writeFileSync(device, 'as it is');
  const first = lockExisting(device);
  t.throws(() => lockExisting(device), {
    code: 'ALREADY_RUNNING',
    message: new RegExp(`process ${process.pid} has`),
  });
  first.release();
  t.equal(readFileSync(device, 'utf8'), 'as it is');
  lockExisting(device).release();
});

t.test('a real character device', async t => {
  const first = lockExisting('/dev/null');
  t.throws(() => lockExisting('/dev/null'), { code: 'ALREADY_RUNNING' });
  first.release();
});

t.test('on Xen a domain is taken by its device; without it there is no hypervisor yet', async t => {
  const device = join(temporaryDirectory(t), 'evtchn');
  const cleanup = new CleanupStack();
  const take = () => takeDomain({ kind: 'xen' }, cleanup, device);
  t.throws(take, {
    code: 'HYPERVISOR_UNAVAILABLE',
    message: /xen-evtchn.*70-xsock\.rules/,
  });
  writeFileSync(device, '');
  take();
  t.throws(take, { code: 'ALREADY_RUNNING' });
  await cleanup.close(error => t.fail(String(error)));
  take();
  await cleanup.close(error => t.fail(String(error)));
});
