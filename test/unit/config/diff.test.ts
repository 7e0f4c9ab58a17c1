/** What a reload has to touch, and nothing more. */
import t from 'tap';
import { describeChanges } from '../../../daemon/broker/changes.js';
import type { Config } from '../../../daemon/config/config.js';
import { diffConfig } from '../../../daemon/config/diff.js';
import { parseConfig } from '../../../daemon/config/load.js';

const config = (text: string): Config => parseConfig([{ path: 'x.yaml', text }]);
const target = 'target: "unix:/t"';

const TABLE: readonly (readonly [string, string, string, readonly RegExp[]])[] = [
  ['nothing', `exports: [{name: a, ${target}}]`, `\n\nexports: [{name: a, ${target}}]`, []],
  ['an export more', 'exports: []', `exports: [{name: a, ${target}}]`, [/^export a added$/]],
  ['an export less', `exports: [{port: 5, ${target}}]`, 'exports: []', [/^export port 5 removed$/]],
  [
    'an allow-list',
    `exports: [{name: a, ${target}}]`,
    `exports: [{name: a, ${target}, allow: [3]}]`,
    [/^export a changed$/],
  ],
  [
    'another order of imports',
    'imports: [{service: a}, {service: b, mode: "0600"}]',
    'imports: [{service: b, mode: "0600"}, {service: a}]',
    [/^imports reordered$/],
  ],
  [
    'another order of peers',
    'peers: [{domid: 3}, {name: web}]',
    'peers: [{name: web}, {domid: 3}]',
    [/^peers reordered$/],
  ],
  ['a limit', '{}', 'limits: {streams-per-peer: 5}', [/^limits.streams-per-peer changed$/]],
  ['the pumps', '{}', 'link: {pumps: 2}', [/^link.pumps changed .* restarted$/]],
  ['the run directory', '{}', 'run: /run/other', [/^run changed .* restarted$/]],
  [
    'peers',
    '{}',
    'peers: [{domid: 3}]',
    [/^peer domain 3 added$/, /^peer discovery mode changed$/],
  ],
];
for (const [what, before, after, sentences] of TABLE) {
  t.test(what, async t => {
    const diff = diffConfig(config(before), config(after));
    const changes = describeChanges(diff);
    t.equal(changes.length, sentences.length, changes.join('; '));
    for (const [index, sentence] of sentences.entries()) t.match(changes[index], sentence);
  });
}
