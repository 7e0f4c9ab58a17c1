/** Whoever reads the log may stall, go away or come back: memory is bounded, lines are counted. */
import { Writable } from 'node:stream';
import t from 'tap';
import { BoundedDestination } from '../../../daemon/log/bounded-destination.js';
import { createLogger } from '../../../daemon/log.js';

/** A stream that takes a line when it is told to, or fails. */
class Reader extends Writable {
  readonly lines: string[] = [];
  error: Error | undefined;
  stalled = false;
  #release: (() => void) | undefined;

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.stalled) {
      this.#release = () => {
        this.lines.push(String(chunk));
        done();
      };
      return;
    }
    if (this.error === undefined) this.lines.push(String(chunk));
    done(this.error);
  }

  /** As process.stderr: an error is told, the stream can be written to all the same. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error);
    (this as unknown as { _undestroy(): void })._undestroy();
  }

  resume(): void {
    this.stalled = false;
    this.#release?.();
  }
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve));

t.test(
  'a reader that stalls: the buffer is bounded, what is dropped is counted and logged',
  async t => {
    const target = new Reader();
    const told: number[] = [];
    const destination = new BoundedDestination({
      target,
      maxWaiting: 1000,
      onResumed: dropped => told.push(dropped),
    });
    target.stalled = true;
    const line = `${'x'.repeat(99)}\n`;
    for (let i = 0; i < 100_000; i += 1) destination.write(line);
    t.equal(target.writableLength, 1000, 'waits');
    t.equal(destination.writableLength, 0, 'nothing is held on the way');
    t.same(told, []);
    target.resume();
    await turn();
    t.equal(target.lines.length, 10);
    t.same(told, [100_000 - 10]);
    destination.write('again\n');
    t.equal(target.lines.at(-1), 'again\n');
    t.equal(told.length, 1, 'once');
  },
);

for (const code of ['EPIPE', 'EIO', 'ENOSPC']) {
  t.test(`a reader that is gone (${code}) and comes back`, async t => {
    const target = new Reader();
    const log = createLogger({ level: 'info', format: 'json', destination: target });
    target.error = Object.assign(new Error(code), { code });
    for (let i = 0; i < 5; i += 1) {
      log.info('lost');
      await turn();
    }
    target.error = undefined;
    log.info('seen');
    await turn();
    const lines = target.lines.map(text => JSON.parse(text) as Record<string, unknown>);
    t.match(lines, [{ msg: 'seen' }, { level: 40, dropped: 5, msg: /5 log lines were dropped/ }]);
  });
}

t.test('a target that throws', async t => {
  const target = new Reader();
  target.write = () => {
    throw new Error('EIO');
  };
  const log = createLogger({ level: 'info', format: 'json', destination: target });
  t.doesNotThrow(() => log.info('lost'));
});

t.test('for people, too, memory is bounded', async t => {
  const target = new Reader();
  const log = createLogger({ level: 'info', format: 'pretty', destination: target });
  target.stalled = true;
  const text = 'x'.repeat(10_000);
  for (let i = 0; i < 1000; i += 1) {
    log.info(text);
    if (i % 100 === 0) await turn();
  }
  await turn();
  t.ok(target.writableLength <= 1024 * 1024, `${target.writableLength} bytes wait`);
  t.ok(target.writableLength > 900_000);
});
