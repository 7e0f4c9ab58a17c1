/** `xsock status`: the daemon, and its link with each peer. */
import { ControlClient } from '../control/client.js';
import type { DaemonStatus, PeerStatus } from '../control/model.js';
import { escapeForDisplay } from '../text/escape.js';
import {
  formatAge,
  formatBytes,
  formatRoundTrip,
  formatTable,
  print,
  printable,
  printJson,
} from './output.js';
import type { Verb } from './verb.js';

function describe(status: DaemonStatus, now: number): string {
  const name = status.name === null ? '' : ` (${escapeForDisplay(status.name)})`;
  return [
    `xsockd ${status.version}, pid ${status.pid}, up ${formatAge(status.uptime)}`,
    `domain    ${status.domid}${name}, ${status.hypervisor} hypervisor`,
    `run       ${status.run}`,
    `config    ${status.config}`,
    `xenstore  ${status.xenstore ? 'connected' : 'connection lost, reconnecting'}`,
    ...reload(status, now),
    ...problems(status),
  ].join('\n');
}

/** The configuration's problems, a line each; `xsock check` has all of them. */
const RELOAD_LINES_MAX = 10;

function reload({ lastReload }: DaemonStatus, now: number): readonly string[] {
  if (lastReload === null) return [];
  const age = `${formatAge(now - lastReload.at)} ago`;
  if (lastReload.ok) return [`reload    done ${age}`];
  const lines = printable(lastReload.error ?? '').split('\n');
  return [
    `RELOAD    failed ${age}, keeping the current configuration:`,
    ...lines.slice(0, RELOAD_LINES_MAX).map(line => `          ${line}`),
    ...(lines.length > RELOAD_LINES_MAX ? ["          ('xsock check' lists all)"] : []),
  ];
}

function problems({ peers }: DaemonStatus): readonly string[] {
  const count = peers.reduce((sum, peer) => sum + peer.problems, 0);
  return count === 0
    ? []
    : [`PROBLEM   ${count} socket(s) could not be created, retrying: 'xsock ls' says why`];
}

/** Of streams that either side has refused recently. */
function refusal({ domid, lastRefused }: PeerStatus, now: number): readonly string[] {
  if (lastRefused === null) return [];
  const { direction, service, reason, detail, at } = lastRefused;
  const who = direction === 'outgoing' ? `domain ${domid} refused us` : `refused domain ${domid}`;
  const why = detail === '' ? reason : `${reason}: ${escapeForDisplay(detail, 256)}`;
  return [
    `last refusal: ${who} '${escapeForDisplay(service)}', ${why}, ${formatAge(now - at)} ago`,
  ];
}

function row(peer: PeerStatus, now: number): readonly (string | number)[] {
  const { counters } = peer;
  return [
    peer.domid,
    peer.name ?? '',
    peer.self ? `${peer.state} (self)` : peer.state,
    formatAge(now - peer.since),
    formatRoundTrip(counters?.roundTrip ?? 0),
    peer.services,
    counters?.streams ?? '',
    counters === null ? '' : formatBytes(counters.bytesSent),
    counters === null ? '' : formatBytes(counters.bytesReceived),
    peer.reason,
  ];
}

const HEADINGS = [
  'DOMID',
  'NAME',
  'LINK',
  'SINCE',
  'ROUND TRIP',
  'SERVICES',
  'STREAMS',
  'SENT',
  'RECEIVED',
  'REASON',
];

export const statusVerb: Verb = {
  name: 'status',
  operands: '',
  summary: 'the daemon, and its link with each peer',
  details:
    'SINCE is how long the link has been in that state, SERVICES how many the peer announces to this\n' +
    'domain, REASON why a link is not up, or why the last one ended. Below the table: the last stream\n' +
    'that was refused, with each peer, in either direction.',
  arity: [0, 0],
  json: true,
  async execute({ run, json }) {
    const status = await new ControlClient(run).status();
    if (json) {
      printJson(status);
      return 0;
    }
    const now = Date.now();
    print(`${describe(status, now)}\n`);
    print(
      status.peers.length === 0
        ? 'no peers'
        : formatTable(
            HEADINGS,
            status.peers.map(peer => row(peer, now)),
          ),
    );
    for (const line of status.peers.flatMap(peer => refusal(peer, now))) print(line);
    return 0;
  },
};
