/**
 * The life of the link with one peer, as a pure function: state and event in, state and commands out.
 * All races end here: results of asynchronous commands carry the ticket under which they were started,
 * and what a late one brings is released.
 *
 * The domain with the higher domid is the *server*, as in libxenvchan: it grants and offers pages as soon as the peer
 * is there. The other one, the *client*, maps what is offered.
 */
import type { LinkDownReason } from '../dataplane/dataplane.js';
import type { EventChannelPort, GrantRef, LinkId } from '../ids.js';

export type Role = 'server' | 'client';

/** An offer, as published in xenstore. */
export interface OfferAddress {
  readonly ringRef: GrantRef;
  readonly eventChannel: EventChannelPort;
  /**
   * Random, so that no two offers are the same: Linux reuses the reference that was freed last, and Xen
   * the lowest free port, so that a new offer often has those of the one before. Undefined: xsock 0.1 granted.
   */
  readonly id: number | undefined;
}

export type LinkState =
  /** The peer's daemon is not there. */
  | { readonly kind: 'absent' }
  /** Server: pages are being granted (no link yet), or published and not yet taken. */
  | {
      readonly kind: 'offering';
      readonly instance: string;
      readonly link: LinkId | undefined;
      readonly address: OfferAddress | undefined;
    }
  /** Client: waiting for an offer that was not tried, or taking it up. */
  | {
      readonly kind: 'connecting';
      readonly instance: string;
      readonly trying: OfferAddress | undefined;
      readonly link: LinkId | undefined;
    }
  | {
      readonly kind: 'up';
      readonly instance: string;
      readonly link: LinkId;
      readonly draining: boolean;
    }
  /** The peer is there, the link is not: retried when the timer fires. */
  | { readonly kind: 'down'; readonly instance: string; readonly reason: string };

export interface LinkMachine {
  readonly role: Role;
  readonly state: LinkState;
  /** Incremented with every start and end, so that no earlier result is mistaken for a current one. */
  readonly ticket: number;
  /** Client: the last offer used; an offer may be used only once. */
  readonly used: OfferAddress | undefined;
  /** Client: what the peer publishes now. */
  readonly offer: OfferAddress | undefined;
  /** Consecutive failures, for the back-off. */
  readonly failures: number;
}

export type LinkEvent =
  /** What the peer publishes for us; `instance` undefined: nothing, or nothing readable for us. */
  | {
      readonly kind: 'observed';
      readonly instance: string | undefined;
      readonly offer: OfferAddress | undefined;
    }
  | {
      readonly kind: 'offered';
      readonly ticket: number;
      readonly link: LinkId;
      readonly address: OfferAddress;
    }
  /** The nodes of the offer could not be written: nobody will take it. */
  | { readonly kind: 'unpublished'; readonly address: OfferAddress; readonly why: string }
  | { readonly kind: 'connected'; readonly ticket: number; readonly link: LinkId }
  /** An offer or connect command has failed. */
  | { readonly kind: 'failed'; readonly ticket: number; readonly why: string }
  | { readonly kind: 'link-up'; readonly link: LinkId; readonly instance: string }
  | { readonly kind: 'link-draining'; readonly link: LinkId }
  | {
      readonly kind: 'link-down';
      readonly link: LinkId;
      readonly reason: LinkDownReason;
      readonly detail: string;
    }
  /** The link has been up long enough to be stable. */
  | { readonly kind: 'settled'; readonly link: LinkId }
  | { readonly kind: 'retry' };

export type LinkCommand =
  | { readonly kind: 'offer'; readonly ticket: number }
  | { readonly kind: 'publish'; readonly address: OfferAddress }
  | { readonly kind: 'withdraw' }
  | { readonly kind: 'connect'; readonly ticket: number; readonly address: OfferAddress }
  | { readonly kind: 'close'; readonly link: LinkId }
  | { readonly kind: 'schedule-retry'; readonly failures: number }
  | { readonly kind: 'cancel-retry' }
  | { readonly kind: 'came-up'; readonly link: LinkId }
  | { readonly kind: 'drains'; readonly link: LinkId }
  | {
      readonly kind: 'went-down';
      readonly link: LinkId;
      readonly reason: string;
      readonly detail: string;
    };

export interface Step {
  readonly machine: LinkMachine;
  readonly commands: readonly LinkCommand[];
}

export function createMachine(role: Role): LinkMachine {
  return {
    role,
    state: { kind: 'absent' },
    ticket: 0,
    used: undefined,
    offer: undefined,
    failures: 0,
  };
}

export function step(machine: LinkMachine, event: LinkEvent): Step {
  switch (event.kind) {
    case 'observed':
      return observed(machine, event.instance, event.offer);
    case 'offered':
      return offered(machine, event.ticket, event.link, event.address);
    case 'unpublished':
      return unpublished(machine, event.address, event.why);
    case 'connected':
      return connected(machine, event.ticket, event.link);
    case 'failed':
      return event.ticket === machine.ticket && isPending(machine.state)
        ? fail(machine, event.why, [])
        : stay(machine);
    case 'link-up':
      return cameUp(machine, event.link, event.instance);
    case 'link-draining':
      return machine.state.kind === 'up' && machine.state.link === event.link
        ? {
            machine: { ...machine, state: { ...machine.state, draining: true } },
            commands: [{ kind: 'drains', link: event.link }],
          }
        : stay(machine);
    case 'link-down':
      return linkOf(machine.state) === event.link
        ? ended(machine, event.reason, event.detail)
        : stay(machine);
    case 'settled':
      return linkOf(machine.state) === event.link
        ? { machine: { ...machine, failures: 0 }, commands: [] }
        : stay(machine);
    case 'retry':
      return machine.state.kind === 'down' ? begin(machine, machine.state.instance) : stay(machine);
  }
}

function stay(machine: LinkMachine): Step {
  return { machine, commands: [] };
}

export function linkOf(state: LinkState): LinkId | undefined {
  return state.kind === 'absent' || state.kind === 'down' ? undefined : state.link;
}

/** An offer or connect command is in progress. */
function isPending(state: LinkState): boolean {
  return (
    (state.kind === 'offering' && state.link === undefined) ||
    (state.kind === 'connecting' && state.link === undefined && state.trying !== undefined)
  );
}

export function describeDown(reason: string, detail: string): string {
  return detail === '' ? reason : `${reason}: ${detail}`;
}

export function sameOffer(a: OfferAddress | undefined, b: OfferAddress | undefined): boolean {
  return a?.ringRef === b?.ringRef && a?.eventChannel === b?.eventChannel && a?.id === b?.id;
}

/** The peer is there with this instance and there is no link: offers, or takes what is offered. */
function begin(machine: LinkMachine, instance: string): Step {
  const ticket = machine.ticket + 1;
  if (machine.role === 'server') {
    return {
      machine: {
        ...machine,
        ticket,
        state: { kind: 'offering', instance, link: undefined, address: undefined },
      },
      commands: [{ kind: 'offer', ticket }],
    };
  }
  const { offer } = machine;
  if (offer === undefined || sameOffer(offer, machine.used)) {
    return {
      machine: {
        ...machine,
        ticket,
        state: { kind: 'connecting', instance, trying: undefined, link: undefined },
      },
      commands: [],
    };
  }
  return {
    machine: {
      ...machine,
      ticket,
      state: { kind: 'connecting', instance, trying: offer, link: undefined },
    },
    commands: [{ kind: 'connect', ticket, address: offer }],
  };
}

/** What has to be released when the current state is left. */
function leave(machine: LinkMachine, reason: string): readonly LinkCommand[] {
  const { state } = machine;
  const commands: LinkCommand[] = [];
  if (state.kind === 'down') {
    commands.push({ kind: 'cancel-retry' });
  }
  if (state.kind === 'up') {
    commands.push(wentDown(state, reason, ''));
  }
  const link = linkOf(state);
  if (link !== undefined) {
    if (machine.role === 'server') {
      commands.push({ kind: 'withdraw' });
    }
    commands.push({ kind: 'close', link });
  }
  return commands;
}

/**
 * Why its nodes are gone: a daemon that stops in order sends GOODBYE first, one that is killed
 * leaves them behind; while a link is up they vanish only with the whole domain.
 */
function vanished(state: LinkState): string {
  return state.kind === 'up' && !state.draining ? 'peer domain gone' : 'peer-gone';
}

function observed(
  machine: LinkMachine,
  instance: string | undefined,
  offer: OfferAddress | undefined,
): Step {
  const { state } = machine;
  // What is offered after a withdrawal is a new offer, even if it looks the same.
  const used = offer === undefined ? undefined : machine.used;
  const seen: LinkMachine = { ...machine, offer, used };
  if (instance === undefined) {
    return {
      // A pending result belongs to a peer that is gone: its ticket is no longer valid.
      machine: {
        ...seen,
        ticket: machine.ticket + 1,
        state: { kind: 'absent' },
        used: undefined,
        failures: 0,
      },
      commands: state.kind === 'absent' ? [] : leave(machine, vanished(state)),
    };
  }
  if (state.kind === 'absent') {
    return begin(seen, instance);
  }
  if (state.instance !== instance) {
    const next = begin({ ...seen, used: undefined, failures: 0 }, instance);
    return {
      machine: next.machine,
      commands: [...leave(machine, 'the peer has restarted'), ...next.commands],
    };
  }
  if (machine.role === 'client' && offer !== undefined && !sameOffer(offer, machine.used)) {
    return freshOffer(machine, seen, instance, offer);
  }
  return stay(seen);
}

/** Client: an offer that we have not used. If our link uses an older one, the peer has given that up. */
function freshOffer(
  machine: LinkMachine,
  seen: LinkMachine,
  instance: string,
  offer: OfferAddress,
): Step {
  const { state } = machine;
  if (state.kind === 'connecting' && state.trying !== undefined && sameOffer(state.trying, offer)) {
    return stay(seen);
  }
  const next = begin(seen, instance);
  return {
    machine: next.machine,
    commands: [...leave(machine, 'the peer offers a new link'), ...next.commands],
  };
}

function offered(machine: LinkMachine, ticket: number, link: LinkId, address: OfferAddress): Step {
  const { state } = machine;
  if (ticket !== machine.ticket || state.kind !== 'offering') {
    return { machine, commands: [{ kind: 'close', link }] };
  }
  return {
    machine: { ...machine, state: { ...state, link, address } },
    commands: [{ kind: 'publish', address }],
  };
}

function unpublished(machine: LinkMachine, address: OfferAddress, why: string): Step {
  const { state } = machine;
  return state.kind === 'offering' && sameOffer(state.address, address)
    ? fail(machine, why, leave(machine, why))
    : stay(machine);
}

function connected(machine: LinkMachine, ticket: number, link: LinkId): Step {
  const { state } = machine;
  if (ticket !== machine.ticket || state.kind !== 'connecting') {
    return { machine, commands: [{ kind: 'close', link }] };
  }
  return {
    machine: { ...machine, used: state.trying, state: { ...state, link } },
    commands: [],
  };
}

function cameUp(machine: LinkMachine, link: LinkId, instance: string): Step {
  const { state } = machine;
  if ((state.kind !== 'offering' && state.kind !== 'connecting') || state.link !== link) {
    return stay(machine);
  }
  if (state.instance !== instance) {
    // Not the daemon that published itself: the peer restarted, or its domid is reused.
    return fail(machine, 'identity: HELLO names another instance than xenstore', [
      ...(machine.role === 'server' ? ([{ kind: 'withdraw' }] as const) : []),
      { kind: 'close', link },
    ]);
  }
  return {
    machine: { ...machine, state: { kind: 'up', instance, link, draining: false } },
    commands: [{ kind: 'came-up', link }],
  };
}

type Up = Extract<LinkState, { readonly kind: 'up' }>;
type WentDown = Extract<LinkCommand, { readonly kind: 'went-down' }>;

/** A peer that has sent GOODBYE ends in order, whatever its last sign is. */
function wentDown({ link, draining }: Up, reason: string, detail: string): WentDown {
  if (!draining || reason === 'goodbye') return { kind: 'went-down', link, reason, detail };
  const cut = 'streams that were still open were cut off';
  return { kind: 'went-down', link, reason: 'goodbye', detail: cut };
}

function ended(machine: LinkMachine, reason: LinkDownReason, detail: string): Step {
  const down = machine.state.kind === 'up' ? wentDown(machine.state, reason, detail) : undefined;
  return fail(
    machine,
    down === undefined ? describeDown(reason, detail) : describeDown(down.reason, down.detail),
    [
      ...(down === undefined ? [] : [down]),
      ...(machine.role === 'server' ? ([{ kind: 'withdraw' }] as const) : []),
    ],
  );
}

function fail(machine: LinkMachine, reason: string, first: readonly LinkCommand[]): Step {
  const { state } = machine;
  if (state.kind === 'absent') {
    return { machine, commands: first };
  }
  const failures = machine.failures + 1;
  return {
    machine: {
      ...machine,
      failures,
      state: { kind: 'down', instance: state.instance, reason },
    },
    commands: [...first, { kind: 'schedule-retry', failures }],
  };
}
