/** What a crashed daemon left is cleared away; nothing else is. */
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { sweepRunDirectory } from '../../../daemon/service/sweep.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const SILENT = pino({ level: 'silent' });

async function deadSocket(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}x`);
  await once(server, 'listening');
  renameSync(`${path}x`, path);
  server.close();
  await once(server, 'close');
}

t.test('dead sockets, links by name and empty directories go', async t => {
  const run = temporaryDirectory(t);
  mkdirSync(join(run, '5/port'), { recursive: true });
  mkdirSync(join(run, 'by-name'));
  mkdirSync(join(run, 'vchan/5'), { recursive: true });
  await deadSocket(join(run, 'vchan/5/db'));
  await deadSocket(join(run, '5/db'));
  await deadSocket(join(run, '5/~0'));
  chmodSync(join(run, '5/~0'), 0);
  await deadSocket(join(run, '5/port/7'));
  symlinkSync('../5', join(run, 'by-name/web'));
  await sweepRunDirectory(run, SILENT);
  t.same(readdirSync(run), []);
});

t.test('what is alive, of another kind or elsewhere stays', async t => {
  const run = temporaryDirectory(t);
  for (const directory of ['5', 'by-name', 'mine', '032', 'vchan', 'vchan/5', 'vchan/mine']) {
    mkdirSync(join(run, directory));
  }
  writeFileSync(join(run, 'vchan/5/file'), '');
  await deadSocket(join(run, 'vchan/mine/dead'));
  const server = createServer();
  server.listen(join(run, '5/live'));
  await once(server, 'listening');
  t.teardown(() => server.close());
  await deadSocket(join(run, '5/dead'));
  await deadSocket(join(run, 'mine/dead'));
  await deadSocket(join(run, '032/dead'));
  writeFileSync(join(run, '5/file'), '');
  symlinkSync('/etc', join(run, 'by-name/etc'));
  await sweepRunDirectory(run, SILENT);
  t.same(readdirSync(join(run, '5')).sort(), ['file', 'live']);
  for (const path of ['mine/dead', '032/dead', 'by-name/etc', 'vchan/5/file', 'vchan/mine/dead'])
    t.ok(existsSync(join(run, path)), path);
});

t.test('a run directory that is not there is swept', async t => {
  await t.resolves(sweepRunDirectory(join(temporaryDirectory(t), 'none'), SILENT));
});
