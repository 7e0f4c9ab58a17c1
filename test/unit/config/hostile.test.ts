/** Text that is made to hurt a YAML reader: always an answer, never anything but an XsockError. */
import fc from 'fast-check';
import t from 'tap';
import { parseConfig } from '../../../daemon/config/load.js';
import { XsockError } from '../../../daemon/errors.js';

function verdict(text: string): string {
  try {
    parseConfig([{ path: 'x', text }]);
    return 'accepted';
  } catch (error) {
    if (error instanceof XsockError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
}

t.test('deep nesting is refused before anything recurses', async t => {
  for (const opening of ['[', '{a: ', '- ', '? ', '[\n', '{a:\n']) {
    t.match(verdict(opening.repeat(100_000)), 'more than 64 levels of nesting', opening);
  }
  const stairs = Array.from({ length: 1000 }, (_, depth) => `${' '.repeat(depth)}a:`);
  t.match(verdict(stairs.join('\n')), 'more than 64 levels of nesting');
});

t.test('aliases that multiply are refused', async t => {
  const levels = Array.from({ length: 20 }, (_, level) => {
    const aliases = Array(9).fill(level === 0 ? 'x' : `*l${level - 1}`);
    return `k${level}: &l${level} [${aliases.join(',')}]`;
  });
  t.match(verdict(levels.join('\n')), 'more than 100000 values, with aliases replaced');
});

t.test('aliases that stack up are refused', async t => {
  const levels = Array.from({ length: 20_000 }, (_, level) => {
    return level === 0 ? 'k0: &l0 x' : `k${level}: &l${level} [*l${level - 1}]`;
  });
  t.match(verdict(levels.join('\n')), 'more than 64 levels of nesting, with aliases replaced');
});

t.test('valid aliases are followed', async t => {
  const text = `
exports:
  - {name: a, target: unix:/a, allow: &friends [3, web]}
  - {name: b, target: unix:/b, allow: *friends}
`;
  const config = parseConfig([{ path: 'x', text }]);
  t.strictSame(
    config.exports[1]?.allow.map(entry => entry.peer),
    [
      { kind: 'domid', domid: 3 },
      { kind: 'name', name: 'web' },
    ],
  );
});

t.test('any text is accepted or refused with a list', async () => {
  const seeds = [
    'exports',
    'name',
    ': ',
    '- ',
    '\n',
    '  ',
    '[',
    ']',
    '{',
    '}',
    '&a ',
    '*a',
    '!!',
    '|',
    '>',
    '"',
    "'",
    '#',
    '---\n',
    '%YAML 1.1\n',
    '? ',
    ',',
    'any',
    '0660',
    '<<',
    '~',
    '\t',
  ];
  const yamlish = fc.array(fc.oneof(fc.constantFrom(...seeds), fc.string({ maxLength: 4 })), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        yamlish.map(parts => parts.join('')),
      ),
      text => {
        verdict(text);
      },
    ),
    { numRuns: 3000 },
  );
});

t.test('any tree of values is accepted or refused with a list', async () => {
  const keys = [
    'run',
    'log',
    'level',
    'peers',
    'domid',
    'name',
    'exports',
    'port',
    'target',
    'allow',
    'imports',
    'peer',
    'service',
    'owner',
    'mode',
    'tcp',
    'limits',
    'memory-total',
    'link',
    'ring-size',
    'drain-timeout',
  ];
  const { tree } = fc.letrec(tie => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(
        'any',
        'port',
        'unix:/a',
        'tcp:1.2.3.4:5',
        '[::1]:80',
        '1s',
        '4KiB',
        '0660',
        3,
        0,
        -1,
        1.5,
        null,
        true,
      ),
      fc.string(),
      fc.double(),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...keys), tie('tree'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), tree), value => {
      verdict(JSON.stringify(value));
    }),
    { numRuns: 2000 },
  );
});
