/** The pages of a live link are libxenvchan's: a C program with Debian's header reads them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { connectXenstore } from '../../daemon/xenstore/client.js';
import { unixTransport } from '../../daemon/xenstore/transport.js';
import { installed } from '../support/installed.js';
import { output } from '../support/programs.js';
import { echo, echoes, serve } from '../support/streams.js';
import { socketOf, Testbed } from '../support/testbed.js';

const SOURCE = fileURLToPath(new URL('../../../test/system/control-page.c', import.meta.url));
const HEADER = '/usr/include/xen/io/libxenvchan.h';

t.test(
  "Debian's struct vchan_interface on a live link",
  {
    skip: installed('cc') || (existsSync(HEADER) ? false : `not installed: ${HEADER} (libxen-dev)`),
  },
  async t => {
    const testbed = await Testbed.start(t);
    await testbed.introduce(3, 'web');
    await serve(t, testbed.path('echo'), echo);
    await testbed.daemon(
      3,
      `link: {ring-size: 64KiB}\nexports: [{name: echo, target: "unix:${testbed.path('echo')}", allow: [0]}]\n`,
    );
    const low = await testbed.daemon(0);
    t.ok(await echoes(await socketOf(low, 3, 'echo'), 300_000));
    const xenstore = await connectXenstore(unixTransport(testbed.xenstored(0)));
    const ringRef = await xenstore.read('/local/domain/3/data/xsock/0/ring-ref');
    await xenstore.close();

    const program = testbed.path('page');
    await output('cc', ['-Wall', '-Wextra', '-Werror', '-o', program, SOURCE]);
    const hypercall = join(testbed.directory, 'm/domains/0/hypercall');
    const page = JSON.parse(await output(program, [hypercall, '3', ringRef])) as Record<
      string,
      number
    >;
    t.match(page, { leftOrder: 16, rightOrder: 16, cliLive: 1, srvLive: 1 });
    t.ok((page.leftProd ?? 0) > 300_000, 'the client wrote the left ring');
    t.ok((page.rightProd ?? 0) > 300_000, 'the server wrote the right ring');
    t.ok((page.firstGrant ?? 0) > 0);
  },
);
