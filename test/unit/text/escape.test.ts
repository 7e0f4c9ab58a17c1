/** Text that others chose, as it is shown. */
import fc from 'fast-check';
import t from 'tap';
import { escapeForDisplay } from '../../../daemon/text/escape.js';

t.test('what is shown is printable ASCII, bounded, and tells apart what differs', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const shown = escapeForDisplay(text, 40);
      return /^[ -~]*$/.test(shown) && shown.length <= 40;
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      const same = escapeForDisplay(a, 100_000) === escapeForDisplay(b, 100_000);
      return same === (a === b);
    }),
  );
});
