/** Who may open what, and which import rule takes a service. */
import t from 'tap';
import type { ExportConfig, ImportConfig, PeerSelector } from '../../../daemon/config/config.js';
import type { DomId, ServicePort } from '../../../daemon/ids.js';
import { ExportTables } from '../../../daemon/policy/compile.js';
import { decide } from '../../../daemon/policy/decide.js';
import { importSelector } from '../../../daemon/policy/import.js';
import { parseServiceName } from '../../../daemon/text/names.js';

const id = (domid: number): DomId => domid as DomId;
const source = { file: 'x.yaml', line: 7, column: 3 };

function exported(...allow: PeerSelector[]): ExportConfig {
  return {
    name: parseServiceName('svc'),
    port: 80 as ServicePort,
    target: { kind: 'unix', path: '/t' },
    allow: allow.map(peer => ({ peer, source })),
    self: false,
    vchan: [],
    source,
  };
}

const ANY: PeerSelector = { kind: 'any' };
const THREE: PeerSelector = { kind: 'domid', domid: id(3) };
const WEB: PeerSelector = { kind: 'name', name: 'web' };

const TABLE: readonly (readonly [
  string,
  PeerSelector[],
  { domid: number; name?: string },
  'allow' | 'deny',
])[] = [
  ['nobody by default', [], { domid: 3, name: 'web' }, 'deny'],
  ['any', [ANY], { domid: 9 }, 'allow'],
  ['by domid', [THREE], { domid: 3 }, 'allow'],
  ['another domid', [THREE], { domid: 4 }, 'deny'],
  ['by name', [WEB], { domid: 3, name: 'web' }, 'allow'],
  ['a name that is not known', [WEB], { domid: 3 }, 'deny'],
  ['another name', [WEB], { domid: 3, name: 'Web' }, 'deny'],
  ['the second entry', [WEB, THREE], { domid: 3 }, 'allow'],
];
for (const [what, allow, peer, kind] of TABLE) {
  t.test(what, async t => {
    const decision = decide({
      peer: { ...peer, domid: id(peer.domid) },
      export: exported(...allow),
    });
    t.equal(decision.kind, kind);
    t.match(decision.rule, kind === 'allow' ? 'x.yaml:7' : 'default deny');
  });
}

t.test(
  'the table for the data plane has denied entries too; the domain itself may what says self',
  async t => {
    const exports = [exported(THREE), { ...exported(), self: true }, exported(ANY)];
    const tables = new ExportTables(exports, id(0));
    const allowed = (domid: number): boolean[] =>
      tables.of({ domid: id(domid) }).entries.map(entry => entry.allowed);
    t.same(allowed(3), [true, false, true]);
    t.same(allowed(4), [false, false, true]);
    t.same(allowed(0), [false, true, false], 'not even by any');
  },
);

t.test('peers that may open the same have one table', async t => {
  const tables = new ExportTables([exported(THREE), exported(WEB), exported(ANY)], id(0));
  const of = (domid: number, name?: string) => tables.of({ domid: id(domid), name });
  t.equal(of(4), of(5, 'db'), 'no allow-list names either of them');
  t.equal(of(4, 'web'), of(5, 'web'));
  t.not(of(4), of(4, 'web'));
  t.not(of(3), of(4));
  t.not(of(3), of(3, 'web'));
  t.equal(of(4).announced.length, 1);
  t.equal(of(3, 'web').announced.length, 3);
  t.same(of(0, 'web').announced, [], 'the own domain is no other, whatever its name');
});

t.test('the first import rule that matches decides', async t => {
  const rule = (
    peer: PeerSelector,
    service: ImportConfig['service'],
    mode: number,
  ): ImportConfig => ({
    peer,
    service,
    owner: undefined,
    group: undefined,
    mode,
    tcp: undefined,
    vchan: undefined,
    source: undefined,
  });
  const rules = [
    rule(WEB, { kind: 'port', port: 80 as ServicePort }, 1),
    rule(THREE, { kind: 'name', name: parseServiceName('svc') }, 2),
    rule(ANY, { kind: 'name', name: parseServiceName('open') }, 3),
  ];
  const taken = (
    peer: { domid: number; name?: string },
    service: { name?: string; port?: number },
  ) => importSelector(rules, { ...peer, domid: id(peer.domid) })(service)?.mode;
  t.equal(taken({ domid: 3, name: 'web' }, { name: 'svc', port: 80 }), 1);
  t.equal(taken({ domid: 3 }, { name: 'svc', port: 80 }), 2);
  t.equal(taken({ domid: 8 }, { name: 'open' }), 3);
  t.equal(taken({ domid: 8 }, { name: 'svc' }), undefined);
  t.equal(importSelector([], { domid: id(8) })({ name: 'svc' }), undefined);
});
