/** The list of services: what is in it, and that a peer with many of them does not stop the daemon. */
import t from 'tap';
import { listServices } from '../../../daemon/broker/service-list.js';
import type { DomId } from '../../../daemon/ids.js';
import { PORTION } from '../../../daemon/portions.js';
import type { ShownService } from '../../../daemon/service/view.js';
import { parseServiceName } from '../../../daemon/text/names.js';

const OWN = { domid: 0 as DomId, name: 'Domain-0' };
const PEER = { domid: 3 as DomId, name: 'web' };
const rights = { uid: -1, gid: -1, mode: 0o660, tcp: undefined };

function shown(name: string | undefined, port: number | undefined, address?: string): ShownService {
  const service = { name, port, ...rights };
  return { service, address, problem: address === undefined ? 'EMFILE' : undefined };
}

t.test('sockets and problems are with their service', async t => {
  const source = { file: 'x', line: 1, column: 1 };
  const list = await listServices({
    own: OWN,
    exports: [
      {
        name: parseServiceName('xend'),
        port: undefined,
        target: { kind: 'tcp', host: '::1', port: 80 },
        allow: [
          { peer: { kind: 'any' }, source },
          { peer: { kind: 'name', name: 'web' }, source },
          { peer: { kind: 'name', name: 'app' }, source },
        ],
        self: true,
        vchan: [],
        source,
      },
    ],
    peers: [
      {
        ...PEER,
        announced: [
          { name: 'http', port: 80 },
          { name: undefined, port: 81 },
        ],
      },
    ],
    shown: domid =>
      domid === 0
        ? [shown('xend', undefined, '/r/0/xend')]
        : [shown('http', 80, '/r/3/http'), shown('http', 80, '/r/3/port/80'), shown(undefined, 81)],
  });
  t.match(list, [
    {
      direction: 'exported',
      name: 'xend',
      target: 'tcp:[::1]:80',
      sockets: ['/r/0/xend'],
      absent: ['app'],
    },
    { direction: 'imported', port: 80, sockets: ['/r/3/http', '/r/3/port/80'], problem: null },
    { direction: 'imported', name: null, port: 81, sockets: [], problem: 'EMFILE' },
  ]);
});

t.test('as many as a peer can announce: each is visited a few times, in portions', async t => {
  const ports = Array.from({ length: 21_000 }, (_, index) => index + 1);
  let visited = 0;
  function* all(): Iterable<ShownService> {
    for (const port of ports) {
      visited += 1;
      yield shown(undefined, port, `/r/3/port/${port}`);
    }
  }
  let turns = 0;
  let counting = true;
  const count = (): void => {
    turns += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const list = await listServices({
    own: OWN,
    exports: [],
    peers: [{ ...PEER, announced: ports.map(port => ({ name: undefined, port })) }],
    shown: domid => (domid === PEER.domid ? all() : []),
  });
  counting = false;
  t.equal(list.length, ports.length);
  t.match(list.at(-1), { port: 21_000, sockets: ['/r/3/port/21000'] });
  t.equal(visited, ports.length, 'sockets are gone through once, not for each service');
  t.ok(turns >= (2 * ports.length) / PORTION - 2, `${turns} turns for others`);
});
