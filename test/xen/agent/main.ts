/** The agent: `main.js dom0 HOST:PORT` in domain 0, `main.js guest` in the others. */
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { deviceTransport } from '../../../daemon/xenstore/device-transport.js';
import { unixTransport } from '../../../daemon/xenstore/transport.js';
import { serveDom0 } from './dom0.js';
import { serveGuest } from './guest.js';

const [role, address] = process.argv.slice(2);
if (role === 'dom0') {
  const [host = '', port] = (address ?? '').split(':');
  await serveDom0(
    await connectXenstore(unixTransport('/run/xenstored/socket')),
    host,
    Number(port),
  );
  process.exit(0);
}
await serveGuest(await connectXenstore(deviceTransport('/dev/xen/xenbus')));
