/** The list of services on the wire: what is written is read back, anything else is refused. */
import fc from 'fast-check';
import t from 'tap';
import { isXsockError } from '../../../daemon/errors.js';
import { decodeServices, encodeServices } from '../../../daemon/link/services-message.js';
import type { AnnouncedService } from '../../../daemon/policy/import.js';

const name = fc
  .stringMatching(/^[A-Za-z0-9._-]{1,64}$/)
  .filter(text => !['.', '..', 'port'].includes(text));
const services = fc
  .uniqueArray(fc.record({ name, port: fc.integer({ min: 0, max: 65535 }) }), {
    selector: service => service.name,
    maxLength: 50,
  })
  .map(list => {
    const ports = new Set<number>();
    return list.map(({ name, port }): AnnouncedService => {
      const taken = port === 0 || ports.has(port);
      ports.add(port);
      return { name, port: taken ? undefined : port };
    });
  });

t.test('what is written is read back', async t => {
  fc.assert(
    fc.property(services, list => {
      t.same(decodeServices(encodeServices(list)), list);
    }),
    { numRuns: 200 },
  );
  t.same(decodeServices(encodeServices([{ name: undefined, port: 80 }])), [
    { name: undefined, port: 80 },
  ]);
  t.same(decodeServices(encodeServices([])), []);
});

t.test('any bytes are decoded or refused', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      try {
        decodeServices(bytes);
        return true;
      } catch (error) {
        return isXsockError(error, 'PEER_PROTOCOL');
      }
    }),
  );
});

const entry = (port: number, text: string): number[] => [
  port & 0xff,
  port >> 8,
  text.length,
  ...Buffer.from(text, 'latin1'),
];
const MALFORMED: Readonly<Record<string, readonly number[]>> = {
  'nothing at all': [],
  'another version': [2],
  'half a header': [1, 80],
  'a name cut off': [1, 80, 0, 5, 97],
  'neither name nor port': [1, ...entry(0, '')],
  'a path': [1, ...entry(1, '../etc')],
  'the directory of ports': [1, ...entry(1, 'port')],
  'a terminal escape': [1, ...entry(1, '\u001b[2J')],
  'a name twice': [1, ...entry(1, 'a'), ...entry(2, 'a')],
  'a port twice': [1, ...entry(1, 'a'), ...entry(1, 'b')],
};
for (const [what, bytes] of Object.entries(MALFORMED)) {
  t.test(`refused: ${what}`, async t => {
    try {
      decodeServices(Uint8Array.from(bytes));
      t.fail('accepted');
    } catch (error) {
      t.ok(isXsockError(error, 'PEER_PROTOCOL'));
      t.notMatch(String(error), '\u001b');
    }
  });
}

t.test('a list that does not fit is refused by the sender', async t => {
  const list = Array.from({ length: 1000 }, (_, index) => ({
    name: `${index}`.padStart(64, 'x'),
    port: undefined,
  }));
  t.throws(() => encodeServices(list), { code: 'PEER_PROTOCOL' });
});
