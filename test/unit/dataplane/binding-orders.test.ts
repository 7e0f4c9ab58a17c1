/**
 * The addon's classes in any order of calls, with any arguments, also after close(): a call may throw or
 * reject, with an Error, but never end the process. The calls are made in a child process (this file again).
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { loadNative } from '../../../daemon/dataplane/native.js';
import { temporaryDirectory } from '../../support/temp-directory.js';

const CLASSES = ['Dataplane', 'Vchan', 'LoopbackMachine'] as const;
const SEQUENCES = 300;
const LOG = 'calls.log';

type Method = (...args: readonly unknown[]) => unknown;
type Instance = Record<string, Method>;

/** A number that may well be the id of something, a domain, a lane or an order. */
const plausible = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(12, 16, 65_535, 70_000));
const odd = fc.oneof(
  fc.constantFrom(undefined, null, true, '', 'tcp', -1, Number.NaN, 2 ** 40, 1e300, 10n, [], {}),
  fc.constantFrom([1, null], Symbol('odd'), () => 1, new Uint8Array(3), new Float64Array(2)),
);
const target = fc.constantFrom<unknown>(
  { kind: 'unix', path: './target' },
  { kind: 'tcp', host: '127.0.0.1', port: 1 },
  { kind: 'tcp', host: 'nowhere', port: -1 },
  { kind: 'unix' },
);
const listening = fc.record({
  kind: fc.constantFrom('unix', 'tcp'),
  link: plausible,
  service: fc.constantFrom({ kind: 'name', name: 'svc' }, { kind: 'port', port: 80 }, {}),
  path: fc.constantFrom('./svc', './no/such/svc', 'x'.repeat(200)),
  mode: fc.constant(0o600),
  uid: fc.constant(-1),
  gid: fc.constant(-1),
  host: fc.constantFrom('127.0.0.1', 'nowhere'),
  port: fc.constant(0),
});
const exported = fc.record({
  name: fc.constantFrom('svc', undefined),
  port: plausible,
  allowed: fc.boolean(),
  target,
});
const argument = fc.oneof(
  { weight: 6, arbitrary: plausible },
  { weight: 2, arbitrary: odd },
  { weight: 1, arbitrary: target },
  { weight: 1, arbitrary: listening },
  { weight: 1, arbitrary: fc.array(exported, { maxLength: 3 }) },
);

/** What an instance of each class is made of: `odd` replaces one argument. */
function create(name: (typeof CLASSES)[number], pumps: unknown): Instance {
  const hypervisor = { kind: 'loopback', domainDir: join(process.cwd(), '3') };
  const options = {
    hypervisor,
    domid: 3,
    instance: randomBytes(16),
    limits: { streamsPerPeer: 10, memoryPerStream: 65_536, memoryTotal: 2 ** 22 },
    timings: { heartbeatInterval: 1000, heartbeatTimeout: 4000, pollTime: 200 },
    pumps,
  };
  const Constructor = loadNative()[name] as unknown as new (...args: unknown[]) => Instance;
  return name === 'Dataplane'
    ? new Constructor(options, () => {})
    : name === 'Vchan'
      ? new Constructor(hypervisor, () => {})
      : new Constructor();
}

function methodsOf(instance: Instance): readonly string[] {
  return Object.getOwnPropertyNames(Object.getPrototypeOf(instance)).filter(
    name => name !== 'constructor',
  );
}

function mustBeAnError(error: unknown): void {
  if (!(error instanceof Error)) throw new Error(`thrown: ${String(error)}`);
}

/** A link with the data plane of domain 0, so that ids name something. */
async function link(low: Instance, high: Instance): Promise<void> {
  const offer = (await high.offer?.(0, 12)) as { ringRef: number; eventChannel: number };
  await low.connect?.(3, offer.ringRef, offer.eventChannel);
}

async function child(seed: number): Promise<void> {
  const machine = new (loadNative().LoopbackMachine)();
  for (const domid of [0, 3]) {
    mkdirSync(String(domid));
    machine.introduce(domid, join(process.cwd(), String(domid), 'hypercall'));
  }
  const low = new (loadNative().Dataplane)(
    {
      hypervisor: { kind: 'loopback', domainDir: join(process.cwd(), '0') },
      domid: 0 as never,
      instance: randomBytes(16),
      limits: { streamsPerPeer: 10, memoryPerStream: 65_536, memoryTotal: 2 ** 22 },
      timings: { heartbeatInterval: 1000, heartbeatTimeout: 4000, pollTime: 200 },
      pumps: 2,
    },
    () => {},
  ) as unknown as Instance;

  const calls = fc.array(
    fc.tuple(fc.nat(99), fc.array(argument, { minLength: 0, maxLength: 4 }), fc.boolean()),
    { minLength: 1, maxLength: 25 },
  );
  const property = fc.asyncProperty(
    fc.constantFrom(...CLASSES),
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(1, 2) }, { weight: 1, arbitrary: odd }),
    calls,
    async (name, pumps, sequence) => {
      const note = (line: string): void => appendFileSync(LOG, `${line}\n`);
      note(`new ${name} ${fc.stringify(pumps)}`);
      let instance: Instance;
      try {
        instance = create(name, pumps);
      } catch (error) {
        mustBeAnError(error);
        return;
      }
      if (name === 'Dataplane') await link(low, instance);
      const methods = methodsOf(instance);
      const pending: Promise<unknown>[] = [];
      for (const [index, args, wait] of sequence) {
        const method = methods[index % methods.length] as string;
        note(`  ${method}(${args.map(arg => fc.stringify(arg)).join(', ')})`);
        try {
          const result = instance[method]?.(...args);
          if (result instanceof Promise) pending.push(result.catch(mustBeAnError));
          if (wait) await result;
        } catch (error) {
          mustBeAnError(error);
        }
      }
      await instance.close?.();
      await Promise.all(pending);
    },
  );
  await fc.assert(property, { seed, numRuns: SEQUENCES, endOnFailure: true });
  await low.close?.();
  machine.close();
}

if (process.argv[2] === 'child') {
  await child(Number(process.argv[3]));
} else {
  t.test('no order of calls ends the process', async t => {
    const seed = Number(process.env.XSOCK_SEED ?? Math.floor(Math.random() * 2 ** 31));
    const cwd = temporaryDirectory(t);
    const process_ = spawn(
      process.execPath,
      [fileURLToPath(import.meta.url), 'child', String(seed)],
      { cwd, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let errors = '';
    process_.stderr.on('data', chunk => {
      errors += String(chunk);
    });
    const [code, signal] = await once(process_, 'close');
    t.strictSame({ code, signal }, { code: 0, signal: null }, `XSOCK_SEED=${seed}`);
    if (code !== 0) {
      t.comment(errors);
      t.comment(readFileSync(join(cwd, LOG), 'utf8').split('\n').slice(-30).join('\n'));
    }
  });
}
