/** A domain that was saved and restored: its watches fire again, and its mark is lost. */
import t from 'tap';
import { RestoreWatch } from '../../../daemon/discovery/restored.js';
import { XsockError } from '../../../daemon/errors.js';
import type { DomId } from '../../../daemon/ids.js';
import type { Watch, Xenstore } from '../../../daemon/xenstore/xenstore.js';

const DOMID = 3 as DomId;
const MARK = '/local/domain/3/data/xsock/daemon';

/** What Linux shows of a domain's home, before and after. */
function fakeHome() {
  const nodes = new Map([
    ['domid', '3'],
    [MARK, 'mark'],
  ]);
  let fire = (): void => {};
  const read = async (path: string): Promise<string> => {
    const value = nodes.get(path);
    if (value === undefined) throw new XsockError('XENSTORE', 'ENOENT', { errno: 'ENOENT' });
    return value;
  };
  const xenstore = {
    read,
    watch: async (_path: string, onEvent: () => void): Promise<Watch> => {
      fire = onEvent;
      return { problem: undefined, close: async () => {} };
    },
  } as unknown as Xenstore;
  return { nodes, xenstore, fire: () => fire() };
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

async function watching(xenstore: Xenstore) {
  const told: string[] = [];
  const watch = new RestoreWatch({
    xenstore,
    domid: DOMID,
    instance: 'mark',
    onRestored: () => told.push('restored'),
    onSame: () => told.push('same'),
  });
  await watch.start();
  return { watch, told };
}

t.test('a watch that fires, or a look, with everything as before', async t => {
  const { xenstore, fire } = fakeHome();
  const { watch, told } = await watching(xenstore);
  fire();
  watch.look();
  await turn();
  t.same(told, ['same', 'same']);
});

t.test('a look before the watch has fired; afterwards nothing is the same any more', async t => {
  const { nodes, xenstore, fire } = fakeHome();
  const { watch, told } = await watching(xenstore);
  nodes.delete(MARK);
  watch.look();
  await turn();
  nodes.set(MARK, 'mark');
  fire();
  await turn();
  t.same(told, ['restored']);
});

t.test('another domid, or the same one without our mark: restored, told once', async t => {
  for (const change of [
    (nodes: Map<string, string>) => nodes.set('domid', '9'),
    (nodes: Map<string, string>) => nodes.delete(MARK),
  ]) {
    const { nodes, xenstore, fire } = fakeHome();
    const { told } = await watching(xenstore);
    change(nodes);
    fire();
    fire();
    await turn();
    t.same(told, ['restored']);
  }
});
