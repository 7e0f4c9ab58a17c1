/** nginx on a UNIX socket in one domain, curl in another. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { installed } from '../support/installed.js';
import { output, startServer } from '../support/programs.js';
import { hashOf } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

t.test(
  'curl fetches from nginx across two domains',
  {
    skip: installed('nginx', 'curl'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    const directory = testbed.path('nginx');
    mkdirSync(join(directory, 'html'), { recursive: true });
    const file = randomBytes(20_000_000);
    writeFileSync(join(directory, 'html', 'file'), file);
    const socket = join(directory, 'http.sock');
    const user = process.getuid?.() === 0 ? 'user root;' : '';
    const config = `${user} daemon off; pid ${directory}/pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi; uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
  server { listen unix:${socket}; root ${directory}/html; } }
`;
    writeFileSync(join(directory, 'conf'), config);
    await startServer(
      t,
      'nginx',
      ['-p', directory, '-e', 'stderr', '-c', join(directory, 'conf')],
      socket,
    );
    await testbed.daemon(
      3,
      `exports: [{name: http, port: 80, target: "unix:${socket}", allow: [0]}]\n`,
    );
    const low = await testbed.daemon(0);
    const path = await socketOf(low, 'web', 'http');
    const into = testbed.path('got');
    const urls = Array.from({ length: 4 }, (_, index) => [
      ...['-o', `${into}${index}`, 'http://localhost/file'],
    ]).flat();
    await output('curl', ['-sSf', '--parallel', '--unix-socket', path, ...urls]);
    for (let index = 0; index < 4; index++) {
      t.equal(hashOf(readFileSync(`${into}${index}`)), hashOf(file));
    }
    const status = await output('curl', [
      ...['-sS', '-o', '/dev/null', '-w', '%{http_code}', '--unix-socket', path],
      'http://localhost/missing',
    ]);
    t.equal(status, '404');
  },
);
