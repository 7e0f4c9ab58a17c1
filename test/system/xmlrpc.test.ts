/** XML-RPC over a UNIX socket, Python's own library on both ends: what xm and xend were. */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { installed } from '../support/installed.js';
import { output, startServer } from '../support/programs.js';
import { socketOf, Testbed } from '../support/testbed.js';

const SCRIPTS = fileURLToPath(new URL('../../../daemon/cli/demo/', import.meta.url));

t.test(
  'an XML-RPC client in a guest calls the service in domain 0',
  {
    skip: installed('python3'),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'guest');
    const socket = testbed.path('xmlrpc.sock');
    await startServer(t, 'python3', [`${SCRIPTS}xmlrpc_service.py`, socket], socket);
    await testbed.daemon(
      0,
      `exports: [{name: xend, port: 8005, target: "unix:${socket}", allow: [guest]}]\n`,
    );
    const guest = await testbed.daemon(3);
    for (const path of [await socketOf(guest, 0, 'xend'), await socketOf(guest, 0, 8005)]) {
      const answer = await output('python3', [`${SCRIPTS}xmlrpc_client.py`, path, 'the guest']);
      t.match(answer, /^Domain-0, web, admin \| .* says hello to the guest$/m);
    }
  },
);
