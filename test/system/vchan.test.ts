/** Raw vchan: an export as a libxenvchan server, an import from it; ours on both ends, real programs. */

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { connectXenstore } from '../../daemon/xenstore/client.js';
import { unixTransport } from '../../daemon/xenstore/transport.js';
import { eventually } from '../support/eventually.js';
import { installed } from '../support/installed.js';
import { output, startServer } from '../support/programs.js';
import { dial, ended, exchange, hashOf, serve } from '../support/streams.js';
import { gone, stopDaemon, Testbed } from '../support/testbed.js';

/** Domain 3 offers `target` at data/vchan/x for domain 0, which has a listener for it. */
async function pair(t: Test, target: (testbed: Testbed) => string) {
  const testbed = await Testbed.start(t);
  await testbed.introduce(3, 'web');
  const high = await testbed.daemon(
    3,
    `exports: [{name: x, target: "${target(testbed)}", vchan: [{peer: 0, path: data/vchan/x}]}]\n`,
  );
  const low = await testbed.daemon(0, 'imports: [{peer: 3, service: x, vchan: data/vchan/x}]\n');
  const socketPath = `${low.run}/vchan/3/x`;
  await eventually(() => access(socketPath));
  return { testbed, high, low, socketPath };
}

t.test('an answer after the end of the question, 20 times in a row', async t => {
  const { testbed, socketPath } = await pair(t, testbed => `unix:${testbed.path('svc')}`);
  // Answers each line and closes, as HTTP/1.0 did: a raw peer cannot be told of half-closing.
  await serve(t, testbed.path('svc'), socket => {
    socket.once('data', (question: Buffer) => {
      socket.end(Buffer.concat([Buffer.from(hashOf(question)), Buffer.alloc(200_000, 'z')]));
    });
  });
  for (let i = 0; i < 20; i++) {
    const question = randomBytes(50);
    const answer = await exchange(socketPath, question);
    t.equal(answer.length, 64 + 200_000);
    t.equal(answer.subarray(0, 64).toString(), hashOf(question));
  }
});

t.test('programs that connect at the same time are served one after the other', async t => {
  const { testbed, socketPath } = await pair(t, testbed => `unix:${testbed.path('svc')}`);
  let now = 0;
  let most = 0;
  await serve(t, testbed.path('svc'), socket => {
    now += 1;
    most = Math.max(most, now);
    socket.once('close', () => {
      now -= 1;
    });
    socket.once('data', (question: Buffer) => socket.end(question));
  });
  const questions = Array.from({ length: 10 }, () => randomBytes(30));
  const answers = await Promise.all(questions.map(question => exchange(socketPath, question)));
  t.same(answers, questions);
  t.equal(most, 1);
});

t.test('a daemon that stops leaves the nodes of others where they are', async t => {
  const testbed = await Testbed.start(t);
  const xenstore = await connectXenstore(unixTransport(testbed.xenstored(0)));
  t.teardown(() => xenstore.close());
  await xenstore.write('data/vchan/x/of-others', '1');
  await xenstore.write('data/vchan/y', '1');
  const daemon = await testbed.daemon(
    0,
    'exports: [{name: x, target: "unix:/nobody", vchan: [{peer: 3, path: data/vchan/x}]}]\n',
  );
  await eventually(() => xenstore.read('data/vchan/x/ring-ref'));
  t.equal(await stopDaemon(daemon), 0);
  t.same(await xenstore.list('data/vchan/x'), ['of-others']);
  t.same([...(await xenstore.list('data/vchan'))].sort(), ['x', 'y']);
});

t.test("a vchan server in another domain's home is refused where it would be", async t => {
  const testbed = await Testbed.start(t);
  const path = '/local/domain/3/data/vchan/x';
  await t.rejects(
    testbed.daemon(
      0,
      `exports: [{name: x, target: "unix:/nobody", vchan: [{peer: 3, path: ${path}}]}]\n`,
    ),
    { message: /0\.yaml:2:69: exports\[0\]\.vchan\[0\]\.path: found .*this is domain 0/ },
  );
});

t.test('curl and a web server', { skip: installed('curl', 'nginx') }, async t => {
  const { testbed, socketPath } = await pair(t, testbed => `unix:${testbed.path('web')}`);
  const body = randomBytes(300_000).toString('hex');
  writeFileSync(testbed.path('file'), body);
  writeFileSync(
    testbed.path('nginx.conf'),
    `pid ${testbed.path('pid')}; error_log stderr; daemon off; events {}
     http { access_log off; client_body_temp_path ${testbed.path('b')};
       proxy_temp_path ${testbed.path('p')}; fastcgi_temp_path ${testbed.path('f')};
       uwsgi_temp_path ${testbed.path('u')}; scgi_temp_path ${testbed.path('s')};
       server { listen unix:${testbed.path('web')}; root ${testbed.directory}; } }`,
  );
  await startServer(
    t,
    'nginx',
    ['-c', testbed.path('nginx.conf'), '-e', 'stderr', '-g', 'user root;'],
    testbed.path('web'),
  );
  for (let i = 0; i < 5; i++) {
    const got = await output('curl', ['-s', '--unix-socket', socketPath, 'http://web/file']);
    t.equal(got, body, 'the whole file');
  }
});

t.test('no server: the program is refused, the log says why', async t => {
  const { socketPath, high, low } = await pair(t, testbed => `unix:${testbed.path('nobody')}`);
  await ended(await dial(socketPath));
  await eventually(async () => {
    if (!high.log().includes('target-unavailable')) throw new Error('not logged');
  });
  high.process.child.kill('SIGTERM');
  await high.process.finished;
  const waiting = connect({ path: socketPath });
  await ended(waiting);
  t.match(low.log(), /timed out waiting for vchan server/);
});

t.test('a reload ends what is not configured any more, and nothing else', async t => {
  const { testbed, low, high, socketPath } = await pair(
    t,
    testbed => `unix:${testbed.path('svc')}`,
  );
  await serve(t, testbed.path('svc'), socket => void socket.pipe(socket));
  const stream = await dial(socketPath);
  stream.write('x');
  await new Promise(resolve => stream.once('data', resolve));
  await high.control.reload();
  await low.control.reload();
  stream.write('y');
  await new Promise(resolve => stream.once('data', resolve));
  t.pass('the stream lives');
  const end = ended(stream);
  testbed.writeConfig(0, 'imports: []\n');
  await low.control.reload();
  await gone(socketPath);
  await end;
});
