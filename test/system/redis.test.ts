/** Redis in one domain, redis-cli and redis-benchmark in another. */
import t from 'tap';
import { installed } from '../support/installed.js';
import { output, startServer } from '../support/programs.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test(
  'redis-cli and redis-benchmark across two domains',
  {
    skip: installed('redis-server', 'redis-cli', 'redis-benchmark'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'cache');
    const socket = testbed.path('redis.sock');
    const redis = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no'];
    await startServer(t, 'redis-server', redis, socket);
    await testbed.daemon(
      3,
      `exports: [{name: redis, port: 6379, target: "unix:${socket}", allow: [0]}]\n`,
    );
    const low = await testbed.daemon(0);
    const path = await socketOf(low, 'cache', 'redis');

    t.equal((await output('redis-cli', ['-s', path, 'ping'])).trim(), 'PONG');
    const value = 'v'.repeat(5_000_000);
    await output('redis-cli', ['-s', path, '-x', 'set', 'big'], { input: value });
    t.equal((await output('redis-cli', ['-s', path, 'get', 'big'])).trimEnd(), value);
    const report = await output('redis-benchmark', [
      ...['-s', await socketOf(low, 3, 6379), '-q', '-t', 'set,get', '-n', '20000', '-c', '50'],
      ...['-P', '8', '-d', '100', '--csv'],
    ]);
    t.match(report, /"SET"/);
    t.match(report, /"GET"/);
  },
);
