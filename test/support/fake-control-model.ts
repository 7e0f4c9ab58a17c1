/** A control model with two peers, a few services and one stream; it records what it was asked to do. */
import type {
  ControlModel,
  DaemonStatus,
  ReloadResult,
  ServiceStatus,
  StreamEnd,
  StreamStatus,
} from '../../daemon/control/model.js';

/** What a hostile peer could call itself: it would clear the screen and set a title. */
export const HOSTILE_NAME = 'evil\u001b[2J\u001b]0;owned\u0007\n';

const STATUS: DaemonStatus = {
  version: '9.8.7',
  pid: 4321,
  domid: 0,
  name: 'Domain-0',
  instance: '00112233445566778899aabbccddeeff',
  hypervisor: 'loopback',
  xenstore: true,
  uptime: 3_723_000,
  run: '/run/xsock',
  config: '/etc/xsock/xsock.yaml',
  lastReload: null,
  peers: [
    {
      domid: 1,
      name: 'web',
      uuid: null,
      self: false,
      state: 'up',
      reason: '',
      lastEnd: { reason: 'silent', at: 0 },
      lastRefused: null,
      since: 0,
      instance: 'ffeeddccbbaa99887766554433221100',
      features: 0,
      services: 1,
      problems: 0,
      counters: {
        streams: 1,
        pump: 0,
        streamsOpened: 7,
        streamsRefused: 2,
        bytesSent: 1536,
        bytesReceived: 5_242_880,
        framesSent: 40,
        framesReceived: 50,
        lanes: 1,
        staleFrames: 0,
        fdPassingResets: 0,
        doorbellsSent: 9,
        doorbellsReceived: 8,
        roundTrip: 45,
        services: [
          { direction: 'incoming', service: 'http', streams: 7, bytesSent: 1536, bytesReceived: 9 },
        ],
      },
    },
    {
      domid: 2,
      name: HOSTILE_NAME,
      uuid: null,
      self: false,
      state: 'down',
      reason: 'corrupt: frame of 70000 bytes',
      lastEnd: { reason: 'corrupt: frame of 70000 bytes', at: 0 },
      lastRefused: {
        direction: 'incoming',
        service: HOSTILE_NAME,
        reason: 'denied',
        detail: '',
        at: 0,
      },
      since: 0,
      instance: null,
      features: null,
      services: 0,
      problems: 1,
      counters: null,
    },
  ],
};

const SERVICES: readonly ServiceStatus[] = [
  {
    direction: 'exported',
    domid: 0,
    domain: 'Domain-0',
    name: 'xend',
    port: 8005,
    target: 'unix:/var/run/xend.sock',
    allowed: ['1', 'web'],
    absent: [],
    sockets: ['/run/xsock/0/xend'],
    problem: null,
  },
  {
    direction: 'imported',
    domid: 1,
    domain: 'web',
    name: 'http',
    port: null,
    sockets: ['/run/xsock/1/http'],
    problem: null,
  },
  {
    direction: 'imported',
    domid: 2,
    domain: HOSTILE_NAME,
    name: null,
    port: 22,
    sockets: [],
    problem: '/run/xsock/2/port/22 is taken',
  },
];

const STREAMS: readonly StreamStatus[] = [
  {
    domid: 1,
    domain: 'web',
    stream: 5,
    direction: 'outgoing',
    service: 'http',
    state: 'open',
    bytesSent: 10,
    bytesReceived: 2048,
    buffered: 0,
    age: 65_000,
  },
];

export class FakeControlModel implements ControlModel {
  readonly resets: (readonly [number, number])[] = [];
  /** What the next reloads do. */
  onReload: () => Promise<ReloadResult> = async () => ({ changes: [], warnings: [] });

  async status(): Promise<DaemonStatus> {
    return STATUS;
  }

  async services(): Promise<readonly ServiceStatus[]> {
    return SERVICES;
  }

  async streams(): Promise<readonly StreamStatus[]> {
    return STREAMS;
  }

  /** What is answered for any stream; asked with these. */
  end: StreamEnd = { end: 'in-order', reason: '' };
  readonly ends: (readonly [number, number])[] = [];

  async streamEnd(program: number, since: number): Promise<StreamEnd> {
    this.ends.push([program, since]);
    return this.end;
  }

  async resetStream(peer: number, stream: number): Promise<boolean> {
    this.resets.push([peer, stream]);
    return peer === 1 && stream === 5;
  }

  reload(): Promise<ReloadResult> {
    return this.onReload();
  }
}
