/**
 * The life of a link: single steps by table, then two machines that are played against each other over a
 * model of data plane and xenstore, with everything that can happen between them in any order.
 */
import fc from 'fast-check';
import t from 'tap';
import type { EventChannelPort, GrantRef, LinkId } from '../../../daemon/ids.js';
import {
  createMachine,
  type LinkEvent,
  type LinkMachine,
  linkOf,
  type OfferAddress,
  type Role,
  step,
} from '../../../daemon/link/machine.js';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const link = (id: number): LinkId => id as LinkId;
/** Equal numbers and another id: the reference and the port are in use again. */
const address = (number: number, id: number | undefined = 1): OfferAddress => ({
  ringRef: number as GrantRef,
  eventChannel: number as EventChannelPort,
  id,
});
/** As a server of release 0.1 publishes it. */
const withoutId = (number: number): OfferAddress => ({ ...address(number), id: undefined });

/** The state and the kinds of the last commands after these events. */
function after(role: Role, events: readonly LinkEvent[]) {
  let machine = createMachine(role);
  let commands: readonly { kind: string }[] = [];
  for (const event of events) ({ machine, commands } = step(machine, event));
  return { state: machine.state, commands: commands.map(({ kind }) => kind) };
}

const seen = (instance: string | undefined, offer?: OfferAddress): LinkEvent => ({
  kind: 'observed',
  instance,
  offer,
});
const SERVER_UP: readonly LinkEvent[] = [
  seen(A),
  { kind: 'offered', ticket: 1, link: link(1), address: address(8) },
  { kind: 'link-up', link: link(1), instance: A },
];
const CLIENT_UP: readonly LinkEvent[] = [
  seen(A, address(8)),
  { kind: 'connected', ticket: 1, link: link(1) },
  { kind: 'link-up', link: link(1), instance: A },
];
const UNNAMED = seen(A, withoutId(8));
const down = (id: number): LinkEvent => ({
  kind: 'link-down',
  link: link(id),
  reason: 'peer-gone',
  detail: '',
});

const TABLE: readonly (readonly [string, Role, readonly LinkEvent[], string, readonly string[]])[] =
  [
    ['the server offers to a peer that is there', 'server', [seen(A)], 'offering', ['offer']],
    ['and publishes', 'server', SERVER_UP.slice(0, 2), 'offering', ['publish']],
    ['and is up', 'server', SERVER_UP, 'up', ['came-up']],
    ['the client waits for an offer', 'client', [seen(A)], 'connecting', []],
    ['and takes it', 'client', [seen(A), seen(A, address(8))], 'connecting', ['connect']],
    ['once', 'client', [seen(A, address(8)), seen(A, address(8))], 'connecting', []],
    ['and is up', 'client', CLIENT_UP, 'up', ['came-up']],
    [
      'a lost link is tried again later',
      'server',
      [...SERVER_UP, down(1)],
      'down',
      ['went-down', 'withdraw', 'schedule-retry'],
    ],
    ['and again', 'server', [...SERVER_UP, down(1), { kind: 'retry' }], 'offering', ['offer']],
    [
      'the client does not take the same offer twice',
      'client',
      [...CLIENT_UP, down(1), { kind: 'retry' }],
      'connecting',
      [],
    ],
    [
      'but a new one at once',
      'client',
      [...CLIENT_UP, down(1), seen(A, address(9))],
      'connecting',
      ['cancel-retry', 'connect'],
    ],
    [
      'also one with the numbers of the last one',
      'client',
      [...CLIENT_UP, down(1), seen(A, address(8, 2))],
      'connecting',
      ['cancel-retry', 'connect'],
    ],
    [
      'or without an id, after a withdrawal',
      'client',
      [UNNAMED, ...CLIENT_UP.slice(1), down(1), UNNAMED, seen(A), UNNAMED],
      'connecting',
      ['cancel-retry', 'connect'],
    ],
    [
      'or of another daemon',
      'client',
      [...CLIENT_UP, seen(B, address(8))],
      'connecting',
      ['went-down', 'close', 'connect'],
    ],
    [
      'a new offer while up: the peer has given the link up',
      'client',
      [...CLIENT_UP, seen(A, address(9))],
      'connecting',
      ['went-down', 'close', 'connect'],
    ],
    [
      'a peer that vanishes',
      'server',
      [...SERVER_UP, seen(undefined)],
      'absent',
      ['went-down', 'withdraw', 'close'],
    ],
    [
      'a peer that restarts: the old offer ends before the new one begins',
      'server',
      [...SERVER_UP, seen(B)],
      'offering',
      ['went-down', 'withdraw', 'close', 'offer'],
    ],
    [
      'HELLO of another instance than announced',
      'server',
      [...SERVER_UP.slice(0, 2), { kind: 'link-up', link: link(1), instance: B }],
      'down',
      ['withdraw', 'close', 'schedule-retry'],
    ],
    [
      'an offer that is ready too late is given back',
      'server',
      [
        seen(A),
        seen(undefined),
        { kind: 'offered', ticket: 1, link: link(1), address: address(8) },
      ],
      'absent',
      ['close'],
    ],
    [
      'a connection that is ready too late, too',
      'client',
      [seen(A, address(8)), seen(B, address(9)), { kind: 'connected', ticket: 1, link: link(1) }],
      'connecting',
      ['close'],
    ],
    [
      'also when nothing else is offered yet',
      'client',
      [seen(A, address(8)), seen(B), { kind: 'connected', ticket: 1, link: link(1) }],
      'connecting',
      ['close'],
    ],
    [
      'a goodbye is told',
      'client',
      [...CLIENT_UP, { kind: 'link-draining', link: link(1) }],
      'up',
      ['drains'],
    ],
    ['events of other links are nothing', 'client', [...CLIENT_UP, down(7)], 'up', []],
  ];
for (const [name, role, events, state, commands] of TABLE) {
  t.test(`${role}: ${name}`, async t => {
    const result = after(role, events);
    t.equal(result.state.kind, state);
    t.same(result.commands, commands);
  });
}

/** One daemon of the model. */
interface Side {
  machine: LinkMachine;
  instance: string;
  /** Links made and not closed, with the offer that they are made of. */
  readonly open: Map<LinkId, OfferAddress>;
  retry: boolean;
}

/** Data plane and xenstore between two daemons: what is under way happens when the test says so. */
class Model {
  #next = 1;
  readonly server = this.#side('server', A);
  readonly client = this.#side('client', B);
  /** What may happen next; links fail by the test's hand only. */
  readonly pending: (() => void)[] = [];
  #published: OfferAddress | undefined;
  readonly #taken = new Set<OfferAddress>();

  #side(role: Role, instance: string): Side {
    return { machine: createMachine(role), instance, open: new Map(), retry: false };
  }

  start(): void {
    this.#observe(this.server);
    this.#observe(this.client);
  }

  /** A link dies under both; each side hears of it in its own time. */
  breakLinks(): void {
    for (const side of [this.server, this.client]) {
      for (const id of side.open.keys()) this.#dies(side, id);
    }
  }

  restart(side: Side): void {
    for (const id of [...side.open.keys()]) {
      const other = side === this.server ? this.client : this.server;
      const offer = side.open.get(id);
      side.open.delete(id);
      for (const [otherId, otherOffer] of other.open) {
        if (otherOffer === offer) this.#dies(other, otherId);
      }
    }
    if (side === this.server) this.#published = undefined;
    side.machine = createMachine(side.machine.role);
    side.instance = String(this.#next++).padStart(32, '0');
    side.retry = false;
    this.start();
  }

  settle(limit = 5000): boolean {
    for (let round = 0; round < limit; round++) {
      const action = this.pending.shift();
      if (action !== undefined) action();
      else if (!this.#retryOne()) return true;
    }
    return false;
  }

  #retryOne(): boolean {
    const side = [this.server, this.client].find(candidate => candidate.retry);
    if (side === undefined) return false;
    side.retry = false;
    this.#feed(side, { kind: 'retry' });
    return true;
  }

  #dies(side: Side, id: LinkId): void {
    this.pending.push(() => {
      if (!side.open.delete(id)) return;
      this.#feed(side, { kind: 'link-down', link: id, reason: 'peer-gone', detail: '' });
    });
  }

  #observe(side: Side): void {
    this.pending.push(() => {
      const other = side === this.server ? this.client : this.server;
      const offer = side === this.client ? this.#published : undefined;
      this.#feed(side, { kind: 'observed', instance: other.instance, offer });
    });
  }

  #feed(side: Side, event: LinkEvent): void {
    const { machine, commands } = step(side.machine, event);
    side.machine = machine;
    for (const command of commands) {
      switch (command.kind) {
        case 'offer': {
          const { ticket } = command;
          const { instance } = side;
          const id = link(this.#next++);
          this.pending.push(() => {
            if (side.instance !== instance) return;
            const offer = address(this.#freeRef(), this.#next++);
            side.open.set(id, offer);
            this.#feed(side, { kind: 'offered', ticket, link: id, address: offer });
          });
          break;
        }
        case 'publish':
          this.#published = command.address;
          this.#observe(this.client);
          break;
        case 'withdraw':
          this.#published = undefined;
          this.#observe(this.client);
          break;
        case 'connect':
          this.#connect(side, command.ticket, command.address);
          break;
        case 'close':
          this.#close(side, command.link);
          break;
        case 'schedule-retry':
          side.retry = true;
          break;
        case 'cancel-retry':
          side.retry = false;
          break;
        case 'came-up':
        case 'drains':
        case 'went-down':
          break;
      }
    }
  }

  /** The lowest that neither side uses, so that offers have the numbers of earlier ones. */
  #freeRef(): number {
    const used = [this.server, this.client].flatMap(({ open }) =>
      [...open.values()].map(({ ringRef }): number => ringRef),
    );
    let ref = 8;
    while (used.includes(ref)) ref++;
    return ref;
  }

  #connect(side: Side, ticket: number, offer: OfferAddress): void {
    const { instance } = side;
    this.pending.push(() => {
      if (side.instance !== instance) return;
      const granted = [...this.server.open].find(([, open]) => open.ringRef === offer.ringRef);
      if (granted === undefined || this.#taken.has(granted[1])) {
        this.#feed(side, { kind: 'failed', ticket, why: 'taken' });
        return;
      }
      this.#taken.add(granted[1]);
      const id = link(this.#next++);
      side.open.set(id, granted[1]);
      this.#feed(side, { kind: 'connected', ticket, link: id });
      const serverInstance = this.server.instance;
      this.pending.push(() => {
        if (this.server.open.has(granted[0])) {
          this.#feed(this.server, { kind: 'link-up', link: granted[0], instance });
        }
      });
      this.pending.push(() => {
        if (side.open.has(id)) {
          this.#feed(side, { kind: 'link-up', link: id, instance: serverInstance });
        }
      });
    });
  }

  #close(side: Side, id: LinkId): void {
    const offer = side.open.get(id);
    side.open.delete(id);
    const other = side === this.server ? this.client : this.server;
    for (const [otherId, otherOffer] of other.open) {
      if (otherOffer === offer && this.#taken.has(otherOffer)) {
        this.#dies(other, otherId);
      }
    }
  }
}

type Move = 'next' | 'shuffle' | 'break' | 'restart server' | 'restart client';

t.test('whatever happens, both end up with the same link, and no other is left open', async () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          { weight: 10, arbitrary: fc.constant<Move>('next') },
          fc.constantFrom<Move>('shuffle', 'break', 'restart server', 'restart client'),
        ),
        { maxLength: 120 },
      ),
      moves => {
        const model = new Model();
        model.start();
        for (const move of moves) {
          if (move === 'next') model.pending.shift()?.();
          else if (move === 'shuffle') model.pending.push(...model.pending.splice(0, 1));
          else if (move === 'break') model.breakLinks();
          else model.restart(move === 'restart server' ? model.server : model.client);
        }
        if (!model.settle()) throw new Error('it never settles');
        for (const side of [model.server, model.client]) {
          const id = linkOf(side.machine.state);
          if (side.machine.state.kind !== 'up' || id === undefined) {
            throw new Error(`${side.machine.role} is ${JSON.stringify(side.machine.state)}`);
          }
          if (side.open.size !== 1 || !side.open.has(id)) throw new Error('a link is left open');
        }
        const [ours, theirs] = [model.server, model.client].map(
          ({ open }) => [...open.values()][0],
        );
        return ours === theirs;
      },
    ),
    { numRuns: 500 },
  );
});
