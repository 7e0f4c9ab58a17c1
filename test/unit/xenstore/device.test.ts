/** xenstore's character device as Linux has it: requests about watches are answered within the write. */
import t, { type Test } from 'tap';
import type { NativeCharacterDevice } from '../../../daemon/dataplane/native.js';
import { connectXenstore } from '../../../daemon/xenstore/client.js';
import { deviceTransport } from '../../../daemon/xenstore/device-transport.js';
import {
  encodeMessage,
  joinFields,
  type Message,
  MessageDecoder,
  MessageType,
} from '../../../daemon/xenstore/wire.js';
import { eventually } from '../../support/eventually.js';
import { fast } from '../../support/fake-xenstored.js';

class Errno extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** A device that takes every request and answers, unless it is told otherwise. */
class FakeDevice implements NativeCharacterDevice {
  static opened: FakeDevice[] = [];
  /** Requests, by type. */
  readonly types: number[] = [];
  /** An open device keeps the process alive. */
  readonly #open = setInterval(() => {}, 1000);
  readonly #onData: (data: Buffer | undefined) => void;
  static hung = false;
  static refuseWatches: string | undefined;

  constructor(onData: (data: Buffer | undefined) => void) {
    this.#onData = onData;
    FakeDevice.opened.push(this);
  }

  write(data: Buffer): void {
    const [message] = new MessageDecoder().push(data);
    if (message === undefined) throw new Error('half a message');
    this.types.push(message.type);
    if (FakeDevice.hung) return;
    if (message.type === MessageType.watch && FakeDevice.refuseWatches !== undefined) {
      throw new Errno(FakeDevice.refuseWatches);
    }
    this.#answer(message, joinFields(['OK']));
  }

  close(): void {
    clearInterval(this.#open);
  }

  #answer(message: Message, payload: Buffer): void {
    setImmediate(() => this.#onData(encodeMessage({ ...message, payload })));
  }
}

async function setUp(t: Test) {
  FakeDevice.opened = [];
  FakeDevice.hung = false;
  FakeDevice.refuseWatches = undefined;
  const transport = deviceTransport('/dev/fake', (_path, onData) => new FakeDevice(onData));
  const client = await connectXenstore(transport, { ...fast, answerTimeout: 50 });
  t.teardown(() => client.close());
  return client;
}

t.test('a refused watch is reported and retried on the same device', async t => {
  const client = await setUp(t);
  FakeDevice.refuseWatches = 'E2BIG';
  const watch = await client.watch('data/x', () => {});
  t.match(watch.problem, /refuses the watch on data\/x: E2BIG/);
  t.equal(await client.read('n'), 'OK\0');
  FakeDevice.refuseWatches = undefined;
  await eventually(async () => {
    if (watch.problem !== undefined) throw new Error(watch.problem);
  });
  t.equal(FakeDevice.opened.length, 1);
});

t.test(
  'while xenstored hangs nothing about watches is written, which would never return',
  async t => {
    const client = await setUp(t);
    const watch = await client.watch('data/x', () => {});
    FakeDevice.hung = true;
    const [first] = FakeDevice.opened;
    const before = first?.types.length ?? 0;
    await Promise.all([watch.close(), client.watch('data/y', () => {})]);
    await eventually(async () => {
      if (FakeDevice.opened.length < 4) throw new Error('it has not tried again');
    });
    const later = FakeDevice.opened.slice(1).flatMap(({ types }) => types);
    t.same(new Set([...(first?.types.slice(before) ?? []), ...later]), new Set([MessageType.read]));
    FakeDevice.hung = false;
    await eventually(() => client.read('n'));
    await eventually(async () => {
      const { types = [] } = FakeDevice.opened.at(-1) ?? {};
      if (!types.includes(MessageType.watch)) throw new Error('not set yet');
    });
  },
);
