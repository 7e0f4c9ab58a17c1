/** The Xen tests' line to the agents when the machine ends early: what is asked fails, and nothing else. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { temporaryDirectory } from '../../support/temp-directory.js';
import { AgentConnection } from '../../xen/agent-connection.js';

t.test('QEMU ends with bytes unread: a reset', async t => {
  const path = join(temporaryDirectory(t), 's');
  const agents = await AgentConnection.listen(path);
  t.teardown(() => agents.close());
  const machine = connect(path);
  await once(machine, 'connect');
  machine.pause();
  const asked = agents.ask(0, 'node', { path: '/local/domain/0/name' });
  machine.destroy();
  await t.rejects(asked, { message: 'the machine is gone' });
  await t.rejects(agents.connected, { message: 'the machine is gone' });
  await t.rejects(agents.ask(0, 'node', { path: '/x' }), { message: 'the machine is gone' });
});

t.test('QEMU never connects', async t => {
  const agents = await AgentConnection.listen(join(temporaryDirectory(t), 's'));
  const asked = agents.ask(0, 'node', { path: '/local/domain/0/name' });
  agents.close();
  await t.rejects(asked, { message: 'the machine is gone' });
});
