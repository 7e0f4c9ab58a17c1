import fc from 'fast-check';
import t from 'tap';
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
} from '../../../daemon/config/units.js';

t.test('sizes', async t => {
  for (const [text, bytes] of [
    [0, 0],
    [4096, 4096],
    ['4096', 4096],
    ['1KiB', 1024],
    ['512KiB', 524_288],
    ['16MiB', 16_777_216],
    ['2GiB', 2_147_483_648],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ] as const) {
    t.equal(parseSize(text), bytes, `${text}`);
  }
  for (const text of [
    -1,
    1.5,
    Number.NaN,
    '',
    '1K',
    '1KB',
    '1kib',
    '1 KiB',
    '1.5MiB',
    '-1',
    '+1',
    '0x10',
    '1e3',
    '9007199254740992',
    '9007199254740991KiB',
  ]) {
    t.equal(parseSize(text), undefined, `${text}`);
  }
});

t.test('durations', async t => {
  for (const [text, milliseconds] of [
    ['0s', 0],
    ['500ms', 500],
    ['4s', 4000],
    ['10m', 600_000],
  ] as const) {
    t.equal(parseDuration(text), milliseconds, text);
  }
  for (const text of [
    '',
    '10',
    's',
    '1.5s',
    '-1s',
    '1 s',
    '1h',
    '1sec',
    '1S',
    '999999999999999s',
  ]) {
    t.equal(parseDuration(text), undefined, text);
  }
});

t.test('what is written is read back', async () => {
  fc.assert(fc.property(fc.nat(Number.MAX_SAFE_INTEGER), n => parseSize(formatSize(n)) === n));
  fc.assert(fc.property(fc.nat(2 ** 39), n => parseDuration(formatDuration(n)) === n));
  fc.assert(fc.property(fc.nat(1000), n => parseSize(formatSize(n * 1024)) === n * 1024));
});

t.test('the largest unit that divides is used', async t => {
  t.equal(formatSize(524_288), '512KiB');
  t.equal(formatSize(1000), '1000');
  t.equal(formatSize(0), '0');
  t.equal(formatDuration(0), '0s');
  t.equal(formatDuration(1500), '1500ms');
  t.equal(formatDuration(120_000), '2m');
});
