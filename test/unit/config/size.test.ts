/** Large configurations: the work grows as their size, so that reading one never blocks the daemon for long. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { PeerSelector, ServiceSelector } from '../../../daemon/config/config.js';
import { coveredBy } from '../../../daemon/config/covered.js';
import { loadConfig, parseConfig } from '../../../daemon/config/load.js';
import { ConfigProblems } from '../../../daemon/config/problems.js';
import type { DomId, ServicePort } from '../../../daemon/ids.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const peer = (domid: number): PeerSelector => ({ kind: 'domid', domid: domid as DomId });
const service = (port: number): ServiceSelector => ({ kind: 'port', port: port as ServicePort });
const any = { kind: 'any' } as const;

/** Milliseconds of this process's CPU, the least of three. */
function cpuTime(work: () => void): number {
  const times = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    work();
    return process.cpuUsage(before).user / 1000;
  });
  return Math.min(...times);
}

t.test('which rules never match', async t => {
  t.same(
    coveredBy([
      { peer: peer(1), service: service(1) },
      { peer: peer(1), service: any },
      { peer: peer(1), service: service(2) },
      { peer: peer(1), service: service(1) },
      { peer: any, service: service(3) },
      { peer: peer(2), service: service(3) },
      { peer: peer(2), service: service(4) },
      { peer: any, service: any },
      { peer: any, service: service(4) },
    ]),
    [undefined, undefined, 1, 0, undefined, 4, undefined, undefined, 7],
  );
});

t.test('thirty times the rules take about thirty times the work, not nine hundred', async t => {
  const rules = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ peer: peer(index), service: service(index) }));
  const [few, many] = [rules(1000), rules(30_000)];
  coveredBy(few);
  const ratio =
    cpuTime(() => coveredBy(many)) /
    Math.max(
      cpuTime(() => coveredBy(few)),
      0.1,
    );
  t.ok(ratio < 300, `${ratio}`);
});

t.test(
  'thousands of unknown keys are all problems; a guess is made for the first of them',
  async t => {
    const keys = Array.from({ length: 5000 }, (_, index) => `exprts${index}: 1`);
    try {
      parseConfig([{ path: 'x.yaml', text: ['exprts: 1', ...keys].join('\n') }]);
      t.fail('accepted');
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
      t.equal(error.problems.length, 5001);
      t.equal(error.problems[0]?.expected, '"exports"');
      t.match(error.problems[5000]?.expected, /^one of run, /);
      t.match(error.message, /\n\(and 4801 more: 'xsock check' lists all\)$/);
      t.ok(error.message.length < 100_000, 'it fits in a log line');
    }
  },
);

t.test('TCP addresses: what collides, among thousands too', async t => {
  const collisions = (...addresses: readonly string[]): readonly string[] => {
    const rules = addresses.map(
      (tcp, index) => `- {peer: 0, service: ${index + 1}, tcp: "${tcp}"}\n`,
    );
    try {
      parseConfig([{ path: 'x.yaml', text: `imports:\n${rules.join('')}` }]);
      return [];
    } catch (error) {
      if (!(error instanceof ConfigProblems)) throw error;
      return error.problems.map(({ line, expected }) => `${line}: ${expected}`);
    }
  };
  const taken = (line: number, by: number) =>
    `${line}: an address that is free (x.yaml:${by} has it)`;
  t.same(collisions('127.0.0.1:80', '127.0.0.2:80', '[::1]:80', '127.0.0.1:81'), []);
  t.same(collisions('127.0.0.1:80', '127.0.0.1:80'), [taken(3, 2)]);
  t.same(collisions('127.0.0.1:80', '0.0.0.0:80', '[::]:80'), [taken(3, 2)]);
  t.same(collisions('0.0.0.0:80', '127.0.0.1:80', '0.0.0.0:80'), [taken(3, 2), taken(4, 2)]);
  t.same(collisions('[::]:80', '[::1]:80', '127.0.0.1:80'), [taken(3, 2)]);
  const many = Array.from({ length: 3000 }, (_, index) => `127.0.${index >> 8}.${index & 255}:80`);
  t.same(collisions(...many, '0.0.0.0:80'), [taken(3002, 2)]);
});

t.test('files that are too much together are refused before they are parsed', async t => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'xsock.yaml');
  const filler = `# ${'x'.repeat(1_000_000)}\n`;
  writeFileSync(path, `${filler}run: /run/x\n`);
  mkdirSync(join(directory, 'conf.d'));
  writeFileSync(join(directory, 'conf.d/a.yaml'), `${filler}exports: []\n`);
  t.equal((await loadConfig(path)).run, '/run/x');
  writeFileSync(join(directory, 'conf.d/b.yaml'), `${filler}imports: []\n`);
  await t.rejects(loadConfig(path), {
    code: 'FILE_ACCESS',
    message: `cannot read the configuration ${join(directory, 'conf.d/b.yaml')}: the files up to it have over 2097152 bytes`,
  });
});
