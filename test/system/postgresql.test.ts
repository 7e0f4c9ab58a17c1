/** PostgreSQL in one domain, psql and pgbench in another: `psql -h <run>/3` finds `.s.PGSQL.5432`. */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { installed } from '../support/installed.js';
import { type Account, output, startServer } from '../support/programs.js';
import { socketOf, Testbed } from '../support/testbed.js';

/** Debian keeps the server's programs by version, out of PATH. */
function serverPrograms(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root) : [];
  return versions
    .map(version => join(root, version, 'bin'))
    .find(directory => existsSync(join(directory, 'initdb')));
}

/** The server refuses to run as root. */
async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const fields = (await output('getent', ['passwd', 'postgres'])).split(':');
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

const bin = serverPrograms();
const skip =
  installed('psql', 'pgbench') || (bin === undefined ? 'not installed: PostgreSQL server' : false);

t.test('psql and pgbench across two domains', { skip }, async t => {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'database');
  const account = await serverAccount();
  const directory = testbed.path('pg');
  mkdirSync(directory);
  chmodSync(testbed.directory, 0o755);
  if (account !== undefined) chownSync(directory, account.uid, account.gid);
  await output(
    join(bin ?? '', 'initdb'),
    ['-D', join(directory, 'data'), '-U', 'test', '-A', 'trust', '--no-sync'],
    { as: account },
  );
  const socket = join(directory, '.s.PGSQL.5432');
  await startServer(
    t,
    join(bin ?? '', 'postgres'),
    ['-D', join(directory, 'data'), '-k', directory, '-h', '', '-c', 'fsync=off'],
    socket,
    account,
  );
  await testbed.daemon(
    3,
    `exports: [{name: .s.PGSQL.5432, target: "unix:${socket}", allow: [0]}]\n`,
  );
  const low = await testbed.daemon(0);
  await socketOf(low, 3, '.s.PGSQL.5432');
  const host = ['-h', join(low.run, '3'), '-U', 'test'];

  t.equal((await output('psql', [...host, '-Atc', 'select 6 * 7', 'postgres'])).trim(), '42');
  const rows = 200_000;
  const sum = await output('psql', [
    ...host,
    ...['-Atc', `select md5(i::text) from generate_series(1, ${rows}) i`, 'postgres'],
  ]);
  t.equal(sum.trim().split('\n').length, rows, 'a long answer arrives whole');
  await output('pgbench', [...host, '-i', '-q', 'postgres']);
  const bench = await output('pgbench', [...host, '-c', '8', '-j', '2', '-t', '50', 'postgres']);
  t.match(bench, /number of transactions actually processed: 400\/400/);
  t.match(bench, /number of failed transactions: 0/);
});
