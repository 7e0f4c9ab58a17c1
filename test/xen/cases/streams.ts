/** Bytes between domains: every pair, by path, by port and by name, with unmodified programs. */
import type { Test } from 'tap';
import type { Domain } from '../domain.js';
import type { Domains } from './domains.js';

export async function streamCases(t: Test, { dom0, domu1, domu2 }: Domains): Promise<void> {
  const all = [dom0, domu1, domu2];
  for (const from of all) {
    for (const to of all) {
      await t.test(`${from.name} to ${to.name}, by path and by port`, async t => {
        const path = await from.socket(to, 'echo');
        for (const bytes of [0, 1, 100_000, 3_000_000]) {
          const { equal } = await from.ask('echo', { path, bytes, count: 1 });
          t.equal(equal, 1, `${bytes} B come back as they were sent`);
        }
        const byPort = await from.socket(to, 'port/7');
        const { equal } = await from.ask('echo', { path: byPort, bytes: 10_000, count: 20 });
        t.equal(equal, 20, '20 streams by port');
      });
    }
  }
  await t.test('by name: in domain 0, and in guests, which domain 0 tells', async t => {
    for (const from of all) {
      for (const to of all) {
        const path = await from.socket(to === dom0 ? 'Domain-0' : to.name, 'echo');
        const { equal } = await from.ask('echo', { path, bytes: 5000, count: 1 });
        t.equal(equal, 1, `${from.name} to ${to.name}`);
      }
    }
  });
  await t.test('redis-cli to redis-server, guest to guest and from domain 0', async t => {
    const cli = async (from: Domain, to: Domain, ...words: readonly string[]): Promise<string> =>
      (await from.run(['redis-cli', '-s', await from.socket(to, 'redis'), ...words])).trim();
    t.equal(await cli(domu1, domu2, 'set', 'key', 'from-domu1'), 'OK');
    t.equal(await cli(dom0, domu2, 'get', 'key'), 'from-domu1');
    t.equal(await cli(domu2, domu1, 'ping'), 'PONG');
  });
  await t.test('curl from a web server, guest to guest and from domain 0', async t => {
    const sum = (text: string): string => text.split(' ')[0] ?? '';
    const wanted = sum(await domu2.run(['sha256sum', '/usr/bin/curl']));
    for (const from of [domu1, dom0]) {
      const socket = await from.socket(domu2, 'http');
      const command = `curl -s --unix-socket ${socket} http://domu2/file | sha256sum`;
      t.equal(sum(await from.run(['sh', '-c', command])), wanted, from.name);
    }
  });
  await t.test('XML-RPC from a guest to domain 0, as xm to xend in 2006', async t => {
    const request =
      '<?xml version="1.0"?><methodCall><methodName>add</methodName><params>' +
      '<param><value><int>40</int></value></param><param><value><int>2</int></value></param>' +
      '</params></methodCall>';
    const socket = await domu1.socket(dom0, 'xend');
    const answer = await domu1.run([
      ...['curl', '-s', '--unix-socket', socket, '-H', 'Content-Type: text/xml'],
      ...['--data', request, 'http://dom0/RPC2'],
    ]);
    t.match(answer, /<int>42<\/int>/);
  });
  await t.test('200 concurrent streams guest to guest, all verified by hash', async t => {
    const path = await domu1.socket(domu2, 'echo');
    const { equal, milliseconds } = await domu1.ask('echo', { path, bytes: 50_000, count: 200 });
    t.equal(equal, 200, `within ${milliseconds} ms, on default quotas`);
  });
}
