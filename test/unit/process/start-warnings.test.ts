/** What a daemon that has started warns of. */
import t from 'tap';
import { parseConfig } from '../../../daemon/config/load.js';
import type { DaemonStatus } from '../../../daemon/control/model.js';
import type { LineLog } from '../../../daemon/log/peer-logs.js';
import { warnOfStart } from '../../../daemon/process/start-warnings.js';

type Known = Pick<DaemonStatus, 'domid' | 'name' | 'peers'>;

/** The lines, each with its level and fields. */
function linesOf(text: string, status: Known, uid: number): readonly (readonly [string, string])[] {
  const lines: (readonly [string, string])[] = [];
  const at =
    (level: string) =>
    (first: object | string, message = '') => {
      const fields = typeof first === 'string' ? first : JSON.stringify(first);
      lines.push([level, `${fields} ${message}`.trim()]);
    };
  const log: LineLog = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
  warnOfStart(parseConfig([{ path: 'x.yaml', text }]), status, log, uid);
  return lines;
}

const GUEST: Known = { domid: 3, name: 'guest', peers: [] };
const DOM0: Known = { domid: 0, name: 'Domain-0', peers: [] };
const NAMES = 'exports: [{port: 1, target: "tcp:127.0.0.1:80", allow: [app, 5, any]}]\n';

t.test(
  'an unknown name: a warning if it can never be known, a note if it may become known',
  async t => {
    t.match(linesOf(NAMES, GUEST, 100), [
      ['warn', /^x\.yaml:1:57: exports\[0\]\.allow\[0\]: warning: "app" matches nobody: domain 3/],
    ]);
    t.match(linesOf(NAMES, DOM0, 100), [['info', /"app" matches nobody now/]]);
    t.match(linesOf(`${NAMES}directory: {trust: true}\n`, GUEST, 100), [['info', /nobody now/]]);
  },
);

t.test('a name that the configuration vouches for, or that is the own one, is known', async t => {
  t.same(linesOf(`${NAMES}peers: [{domid: 7, name: app}]\n`, GUEST, 100), []);
  t.same(linesOf('imports: [{peer: guest}]\n', GUEST, 100), []);
  t.match(linesOf(`${NAMES}peers: [{name: db}]\n`, GUEST, 100), [
    ['warn', /"app"/],
    ['warn', /x\.yaml:2:9: peers\[0\]: warning: "db" matches nobody/],
  ]);
});

t.test('the list of names is bounded', async t => {
  const names = Array.from({ length: 500 }, (_, index) => `n${index}`).join();
  const text = `exports: [{port: 1, target: "tcp:127.0.0.1:80", allow: [${names}]}]`;
  const lines = linesOf(text, GUEST, 100);
  t.equal(lines.length, 50);
  t.match(lines[49], ['warn', /"n49" matches nobody.*\(and 450 more names like it\)$/]);
});

t.test('root, and exports that lead to UNIX sockets: said once, with their names', async t => {
  const text = `exports:
  - {name: db, target: "unix:/run/mysqld/mysqld.sock"}
  - {port: 80, target: "tcp:127.0.0.1:80"}
  - {port: 7, target: "unix:/run/x"}
`;
  t.match(linesOf(text, DOM0, 0), [
    [
      'warn',
      /^\{"exports":\["db","port 7"\],"count":2\} xsockd runs as root, .*SO_PEERCRED.*a user of its own/,
    ],
  ]);
  t.same(linesOf(text, DOM0, 100), []);
  t.same(linesOf('exports: [{port: 80, target: "tcp:127.0.0.1:80"}]', DOM0, 0), []);
});
