/** What a wrong configuration gets: every problem, at its line and column, all at once. */
import t from 'tap';
import { problemsInDomain } from '../../../daemon/config/in-domain.js';
import { parseConfig } from '../../../daemon/config/load.js';
import { ConfigProblems } from '../../../daemon/config/problems.js';
import { isXsockError } from '../../../daemon/errors.js';
import type { DomId } from '../../../daemon/ids.js';

function faults(...texts: [string, ...string[]]): readonly string[] {
  const [first, ...others] = texts.map((text, index) => ({ path: `${index}.yaml`, text }));
  if (first === undefined) throw new Error('no text');
  try {
    parseConfig([first, ...others]);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error;
    return error.message.split('\n').slice(1);
  }
}

t.test('ten faults in one file are ten problems, in order, where they are', async t => {
  const text = `run: relative
logg: {}
peers:
  - domid: 40000
exports:
  - name: a/b
    target: unix:/run/a.sock
  - port: 80
    target: tcp:localhost:80
    nmae: web
imports:
  - mode: 0660
limits:
  memory-per-stream: 3KB
link: {ring-size: 5000}
drain-timeout: 10
`;
  const service =
    'a service name: 1-64 characters from A-Z a-z 0-9 . _ - but not port (the directory of services by number) nor any (every service)';
  t.strictSame(faults(text), [
    '0.yaml:1:6: run: found "relative", expected an absolute path of at most 90 bytes',
    '0.yaml:2:1: logg: found the unknown key "logg", expected "log"',
    '0.yaml:4:12: peers[0].domid: found 40000, expected a domid, 0..32751',
    `0.yaml:6:11: exports[0].name: found "a/b", expected ${service}`,
    '0.yaml:9:13: exports[1].target: found "tcp:localhost:80", expected tcp: and an IP address, such as 127.0.0.1:80 or [::1]:80: host names and zones are not looked up',
    '0.yaml:10:5: exports[1].nmae: found the unknown key "nmae", expected "name"',
    '0.yaml:12:11: imports[0].mode: found 0660, expected permission bits as an octal number in quotes, such as "0660" (YAML reads 0660 without quotes as a decimal number)',
    '0.yaml:14:22: limits.memory-per-stream: found "3KB", expected a size: a whole number of bytes, or one with KiB, MiB or GiB, such as 512KiB',
    '0.yaml:15:19: link.ring-size: found 5000, expected a power of two, such as 256KiB',
    '0.yaml:16:16: drain-timeout: found 10, expected a duration: a whole number with us, ms, s or m, such as 500ms',
  ]);
});

t.test('the error carries the list for those who show it as JSON', async t => {
  try {
    parseConfig([{ path: 'x.yaml', text: 'log:\n  level: loud\n' }]);
    t.fail('accepted');
  } catch (error) {
    t.ok(isXsockError(error, 'CONFIG_INVALID'));
    t.strictSame(JSON.parse(JSON.stringify((error as ConfigProblems).problems)), [
      {
        file: 'x.yaml',
        line: 2,
        column: 10,
        path: 'log.level',
        found: '"loud"',
        expected: 'one of trace, debug, info, warn, error, fatal, silent',
      },
    ]);
  }
});

const OWN_PLACE =
  "expected a xenstore path such as data/vchan/web (two or more levels below this domain's own data: nodes are written and removed there)";

const SOMETHING = 'expected settings: "exports: []" says that there are none';

/** One fault each: the text, and the one problem (from the column on) that it gets. */
const table: Readonly<Record<string, readonly [string, string]>> = {
  'an empty file': ['', `1:1: (document): found an empty file, ${SOMETHING}`],
  'a file of white space': ['\n \n', `1:1: (document): found an empty file, ${SOMETHING}`],
  'a file of comments': ['# exports:\n', `1:1: (document): found no setting, ${SOMETHING}`],
  'an empty document': ['---\n', `1:1: (document): found no setting, ${SOMETHING}`],
  'a null': ['~', `1:1: (document): found no setting, ${SOMETHING}`],
  'a list instead of a mapping': [
    '[1]',
    '1:1: (document): found a list, expected a mapping of settings',
  ],
  'a text instead of a mapping': [
    'hi',
    '1:1: (document): found "hi", expected a mapping of settings',
  ],
  'a key without its list': [
    'log: {}\nimports:\n',
    '2:1: imports: found nothing, expected a list of import rules ([] for none; leave the key out to import everything)',
  ],
  'a key twice': [
    'run: /a\nrun: /b',
    '2:1: run: found the key again (first at 1:1), expected each key once',
  ],
  'a number as a key': [
    '3: x',
    '1:1: (document): found 3 as a key, expected the name of a setting',
  ],
  'a list as a key': [
    '? [a]\n: x',
    '1:3: (document): found a key that is not a text, expected the name of a setting',
  ],
  'an unknown key like no other': [
    'log: {colour: red}',
    '1:7: log.colour: found the unknown key "colour", expected one of level, format',
  ],
  'an unknown key that is a word of JavaScript': [
    '__proto__: {}',
    '1:1: __proto__: found the unknown key "__proto__", expected one of run, log, peers, directory, exports, imports, limits, link, drain-timeout',
  ],
  'a merge key': [
    '<<: {run: /x}',
    '1:1: <<: found the unknown key "<<", expected one of run, log, peers, directory, exports, imports, limits, link, drain-timeout',
  ],
  'two documents': [
    'run: /a\n---\nrun: /b',
    '2:1: (document): found a second document, expected one document in a file',
  ],
  'bad YAML': [
    'drain-timeout: "10ss',
    '1:21: (document): found text that is not YAML (Missing closing \\"quote), expected valid YAML',
  ],
  'a tag': [
    'run: !path /a',
    '1:6: (document): found text that is not YAML (Unresolved tag: !path), expected valid YAML',
  ],
  'bytes that are not UTF-8': [
    'log: {}\nrun: /\ufffd',
    '2:7: (document): found bytes that are not UTF-8, expected UTF-8 text',
  ],
  'an alias of nothing': [
    'run: *a',
    '1:6: run: found the alias *a, expected an anchor &a before it',
  ],
  'an alias of what contains it': [
    'peers: &p [*p]',
    '1:12: peers[0]: found the alias *p, expected an anchor &p before it',
  ],
  'a control character in a path': [
    'run: "/a\\e[2J"',
    '1:6: run: found "/a\\x1b[2J", expected a path without control characters',
  ],
  'a run directory that is too long': [
    `run: /${'é'.repeat(45)}`,
    `1:6: run: found "${`/${'\\xe9'.repeat(31)}`}...", expected a path of at most 90 bytes (this one has 91)`,
  ],
  'a run directory with dots': [
    'run: /a/../b',
    '1:6: run: found "/a/../b", expected a path without //, /./ and /../',
  ],
  'a run directory with a slash at its end': [
    'run: /a/',
    '1:6: run: found "/a/", expected a path without a slash at its end',
  ],
  'a peer without domid and name': [
    'peers:\n  - {}',
    '2:5: peers[0]: found none of domid, name, expected at least one of them',
  ],
  'a directory that is trusted a little': [
    'directory: {trust: maybe}',
    '1:20: directory.trust: found "maybe", expected true or false',
  ],
  'a peer twice': [
    'peers:\n  - domid: 3\n  - domid: 3',
    '3:12: peers[1].domid: found 3, expected a domid that no other peer has (0.yaml:2 has it already)',
  ],
  'a peer name twice': [
    'peers:\n  - {domid: 3, name: web}\n  - {domid: 4, name: web}',
    '3:22: peers[1].name: found "web", expected a domain name that no other peer has (0.yaml:2 has it already)',
  ],
  'a peer called any': [
    'peers: [{domid: 3, name: any}]',
    '1:26: peers[0].name: found "any", expected a domain name: 1-64 characters from A-Z a-z 0-9 . _ - that are not digits alone, nor any',
  ],
  'an export without name and port': [
    'exports:\n  - target: unix:/a',
    '2:5: exports[0]: found none of name, port, expected at least one of them',
  ],
  'an export without target': [
    'exports:\n  - name: a',
    '2:5: exports[0].target: found nothing, expected unix:/absolute/path or tcp:ADDRESS:PORT',
  ],
  'an export name twice': [
    'exports:\n  - {name: a, target: unix:/a}\n  - {name: a, target: unix:/b}',
    '3:12: exports[1].name: found "a", expected a service name that no other export has (0.yaml:2 has it already)',
  ],
  'an export port twice': [
    'exports:\n  - {port: 1, target: unix:/a}\n  - {port: 1, name: b, target: unix:/b}',
    '3:12: exports[1].port: found 1, expected a port that no other export has (0.yaml:2 has it already)',
  ],
  'an export port out of range': [
    'exports: [{port: 65536, target: unix:/a}]',
    '1:18: exports[0].port: found 65536, expected a port number, 1..65535',
  ],
  'a target path of 108 bytes': [
    `exports: [{port: 1, target: "unix:/${'a'.repeat(107)}"}]`,
    `1:29: exports[0].target: found "unix:/${'a'.repeat(107)}", expected unix: and a path of at most 107 bytes (this one has 108)`,
  ],
  'a domid in quotes': [
    'exports: [{port: 1, target: unix:/a, allow: ["3"]}]',
    '1:46: exports[0].allow[0]: found "3", expected a domid 0..32751 (without quotes), a domain name (1-64 characters from A-Z a-z 0-9 . _ -, not digits alone) or any',
  ],
  'allow that is no list': [
    'exports: [{port: 1, target: unix:/a, allow: any}]',
    '1:45: exports[0].allow: found "any", expected a list of peers: domids, domain names or any',
  ],
  'a vchan path that libxenvchan would cut': [
    `exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: ${'a'.repeat(50)}}]}]`,
    `1:62: exports[0].vchan[0].path: found "${'a'.repeat(50)}", expected a xenstore path such as data/vchan/web (libxenvchan takes 49 bytes at most)`,
  ],
  'a vchan server in the place of all domains': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: /local/domain}]}]',
    `1:62: exports[0].vchan[0].path: found "/local/domain", ${OWN_PLACE}`,
  ],
  'a vchan server in the home itself': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: /local/domain/7}]}]',
    `1:62: exports[0].vchan[0].path: found "/local/domain/7", ${OWN_PLACE}`,
  ],
  'a vchan server in the place of all data': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: data}]}]',
    `1:62: exports[0].vchan[0].path: found "data", ${OWN_PLACE}`,
  ],
  'a vchan server on the first level of data': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: /local/domain/7/data/x}]}]',
    `1:62: exports[0].vchan[0].path: found "/local/domain/7/data/x", ${OWN_PLACE}`,
  ],
  'a vchan server among the devices': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: device/vif/0}]}]',
    `1:62: exports[0].vchan[0].path: found "device/vif/0", ${OWN_PLACE}`,
  ],
  "a vchan server among xsock's nodes": [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: data/xsock/3}]}]',
    `1:62: exports[0].vchan[0].path: found "data/xsock/3", expected a xenstore path such as data/vchan/web (data/xsock is where xsock's own nodes are)`,
  ],
  'two vchan servers at one path, written in two ways': [
    `exports:
  - {port: 1, target: unix:/a, vchan: [{peer: 3, path: data/vchan/x}]}
  - {port: 2, target: unix:/a, vchan: [{peer: 4, path: /local/domain/7/data/vchan/x}]}`,
    '3:56: exports[1].vchan[0].path: found "/local/domain/7/data/vchan/x", expected a path of its own (the vchan server at 0.yaml:2 is there)',
  ],
  'a vchan server inside another': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: data/v/x}, {peer: 4, path: data/v/x/ring-ref}]}]',
    '1:89: exports[0].vchan[1].path: found "data/v/x/ring-ref", expected a path of its own (the vchan server at 0.yaml:1 is there)',
  ],
  'a vchan server around another': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: data/v/x/y}, {peer: 4, path: data/v/x}]}]',
    '1:91: exports[0].vchan[1].path: found "data/v/x", expected a path of its own (the vchan server at 0.yaml:1 is there)',
  ],
  'two ways to one socket of a raw vchan': [
    'imports: [{peer: 3, service: x, vchan: data/x}, {peer: 3, service: x, vchan: data/y}]',
    '1:49: imports[1]: found a second rule with vchan for this service of this domain, expected one (the rule at 0.yaml:1 is the first)',
  ],
  'a vchan server of another domain that is looked for everywhere': [
    'imports: [{peer: 3, service: x, vchan: /local/domain}]',
    '1:40: imports[0].vchan: found "/local/domain", expected a xenstore path such as data/vchan/web (of one server, not of many domains)',
  ],
  'a vchan path with a slash at its end, which has crashed xenstored': [
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: data/x/}]}]',
    `1:62: exports[0].vchan[0].path: found "data/x/", expected a xenstore path such as data/vchan/web (it ends with '/')`,
  ],
  'a vchan import from anybody': [
    'imports: [{service: x, vchan: data/x}]',
    '1:31: imports[0].vchan: found "data/x", expected a rule for one service name of one domid: vchan leads to one server',
  ],
  'a service port 0': [
    'imports: [{service: 0}]',
    '1:21: imports[0].service: found 0, expected a service name, a port number 1..65535, or any',
  ],
  'tcp for any service': [
    'imports: [{peer: 3, tcp: "127.0.0.1:80"}]',
    '1:26: imports[0].tcp: found "127.0.0.1:80", expected a rule for one service of one peer: tcp cannot lead to any',
  ],
  'tcp for any peer': [
    'imports: [{service: a, tcp: "127.0.0.1:80"}]',
    '1:29: imports[0].tcp: found "127.0.0.1:80", expected a rule for one service of one peer: tcp cannot lead to any',
  ],
  'tcp on an address that is taken': [
    'imports:\n  - {peer: 1, service: a, tcp: "127.0.0.1:80"}\n  - {peer: 1, service: b, tcp: "127.0.0.1:80"}',
    '3:32: imports[1].tcp: found "127.0.0.1:80", expected an address that is free (0.yaml:2 has it)',
  ],
  'an owner with a colon': [
    'imports: [{owner: "root:root"}]',
    '1:19: imports[0].owner: found "root:root", expected a name, or a numeric id 0..4294967294 without quotes',
  ],
  'no streams': [
    'limits: {streams-per-peer: 0}',
    '1:28: limits.streams-per-peer: found 0, expected a whole number of streams, 1..65536',
  ],
  'no pumps': [
    'link: {pumps: 0}',
    '1:15: link.pumps: found 0, expected auto, or a whole number of threads, 1..8',
  ],
  'pumps in a word that is not known': [
    'link: {pumps: many}',
    '1:15: link.pumps: found "many", expected auto, or a whole number of threads, 1..8',
  ],
  'too little memory for a stream': [
    'limits: {memory-per-stream: 32767}',
    '1:29: limits.memory-per-stream: found 32767, expected a size of 32KiB..16MiB',
  ],
  'less memory in all than for one stream': [
    'limits: {memory-per-stream: 1MiB, memory-total: 512KiB}',
    '1:49: limits.memory-total: found "512KiB", expected a size that is not less than memory-per-stream (1MiB)',
  ],
  'a ring that is too large': [
    'link: {ring-size: 2MiB}',
    '1:19: link.ring-size: found "2MiB", expected a size of 4KiB..1MiB',
  ],
  'a timeout under two intervals': [
    'link: {heartbeat-interval: 1s, heartbeat-timeout: 1999ms}',
    '1:51: link.heartbeat-timeout: found "1999ms", expected a duration of at least twice heartbeat-interval (1s)',
  ],
  'an interval over half the default timeout': [
    'link: {heartbeat-interval: 3s}',
    '1:28: link.heartbeat-interval: found "3s", expected a duration of at most half of heartbeat-timeout (4s)',
  ],
  'a drain timeout that is too long': [
    'drain-timeout: 11m',
    '1:16: drain-timeout: found "11m", expected a duration of 0s..10m',
  ],
};

for (const [name, [text, expected]] of Object.entries(table)) {
  t.test(name, async t => {
    t.strictSame(faults(text), [`0.yaml:${expected}`]);
  });
}

t.test(
  'vchan paths that are fine: in an own place, and wherever another domain has its server',
  async t => {
    const text = `exports:
  - {port: 1, target: unix:/a, vchan: [{peer: 3, path: data/vchan/x}, {peer: 3, path: data/vchan/y/z}]}
  - {port: 2, target: unix:/a, vchan: [{peer: 3, path: /local/domain/7/data/vchan/z}]}
imports:
  - {peer: 3, service: a, vchan: data/x}
  - {peer: 3, service: b, vchan: device/vchan/0}
  - {peer: 0, service: c, vchan: /local/domain/7/data/c}
`;
    t.strictSame(faults(text), []);
    const { warnings } = parseConfig([{ path: 'a.yaml', text }]);
    t.match(warnings, [{ line: 7, path: 'imports[2].vchan', message: /home of domain 7/ }]);
  },
);

t.test('a vchan server in the home of another domain is found where it is to run', async t => {
  const text =
    'exports: [{port: 1, target: unix:/a, vchan: [{peer: 3, path: /local/domain/7/data/v/x}]}]';
  const config = parseConfig([{ path: 'a.yaml', text }]);
  t.strictSame(problemsInDomain(config, 7 as DomId), []);
  t.match(problemsInDomain(config, 8 as DomId), [
    { file: 'a.yaml', line: 1, column: 62, path: 'exports[0].vchan[0].path', expected: /domain 8/ },
  ]);
});

t.test('what is set in two files names both places', async t => {
  t.strictSame(
    faults('log:\n  level: info', 'log: {format: json}\nrun: /a', 'run: /b\nlog: {level: warn}'),
    [
      '2.yaml:1:1: run: found the key again (first at 1.yaml:2:1), expected it in one file only',
      '2.yaml:2:7: log.level: found the key again (first at 0.yaml:2:3), expected it in one file only',
    ],
  );
});

t.test('duplicates in different files are found, and paths count in their own file', async t => {
  const text = 'exports:\n  - {name: a, target: unix:/a}';
  t.strictSame(faults(text, text), [
    '1.yaml:2:12: exports[0].name: found "a", expected a service name that no other export has (0.yaml:2 has it already)',
  ]);
});

t.test(
  'an empty file is a problem beside others as well, an empty list or mapping is none',
  async t => {
    t.strictSame(faults('exports: []', '', '{}'), [
      `1.yaml:1:1: (document): found an empty file, ${SOMETHING}`,
    ]);
  },
);

t.test('problems of one file do not hide those of the next', async t => {
  t.match(faults('drain-timeout: "10ss', 'log: 1'), [
    /^0\.yaml:1:21: /,
    /^1\.yaml:1:6: log: found 1, /,
  ]);
});
