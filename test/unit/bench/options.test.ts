import t from 'tap';
import { parseOptions } from '../../../bench/options.js';

t.test('only a complete run is written', async t => {
  t.match(parseOptions([]), { partial: false, repetitions: 5 });
  for (const part of [
    ['--quick'],
    ['--only', 'xsock,nginx'],
    ['--placement', 'one'],
    ['--metric', 'roundtrip'],
    ['--no-idle'],
  ]) {
    t.match(parseOptions(part), { partial: true }, part.join(' '));
  }
  t.equal(parseOptions(['--help']), undefined);
});

t.test('an unknown selection is named', async t => {
  t.throws(() => parseOptions(['--only', 'xsock,ngin']), /--only: there is no 'ngin', only plain/);
  t.throws(() => parseOptions(['--metric', 'speed']), /--metric: none begins with 'speed'/);
  t.throws(() => parseOptions(['--repetitions', 'many']), /expected 1 or more, found 'many'/);
  t.throws(() => parseOptions(['--fast']), /Unknown option '--fast'/);
});
