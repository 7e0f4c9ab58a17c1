/** A domain that was saved and restored: its watches fire again, and its mark is lost. */
import t from 'tap';
import { watchRestored } from '../../../daemon/discovery/restored.js';
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
      return { close: async () => {} };
    },
  } as unknown as Xenstore;
  return { nodes, xenstore, fire: () => fire() };
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

t.test('a watch that fires with everything as before says nothing', async t => {
  const { xenstore, fire } = fakeHome();
  let restored = 0;
  await watchRestored(xenstore, DOMID, 'mark', () => restored++);
  fire();
  await turn();
  t.equal(restored, 0);
});

t.test('another domid, or the same one without our mark: restored, told once', async t => {
  for (const change of [
    (nodes: Map<string, string>) => nodes.set('domid', '9'),
    (nodes: Map<string, string>) => nodes.delete(MARK),
  ]) {
    const { nodes, xenstore, fire } = fakeHome();
    let restored = 0;
    await watchRestored(xenstore, DOMID, 'mark', () => restored++);
    change(nodes);
    fire();
    fire();
    await turn();
    t.equal(restored, 1);
  }
});
