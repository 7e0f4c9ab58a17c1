/** docs/performance.md: everything of one run, and how to read it. */
import { allowedCpus, type Placement, placements } from '../placement.js';
import type { Results } from '../results.js';
import { atRestText, cpuTable, idleTable, placementTable, targetTable } from './tables.js';

const list = (entries: Readonly<Record<string, string>>): string =>
  Object.entries(entries)
    .map(([key, value]) => `- ${key}: ${value}`)
    .join('\n');

function section(results: Results, placement: Placement): string {
  return `### ${placement.title}

${placement.meaning}

${placementTable(results, placement.id)}

CPU seconds of both proxies:

${cpuTable(results, placement.id)}
`;
}

function notMeasured({ skipped, failures }: Results): string {
  const sentences = [
    ...Object.entries(skipped).map(([title, reason]) => `${title}: ${reason}`),
    ...failures,
  ];
  if (sentences.length === 0) return '';
  return `\n## Not measured\n\n${sentences.map(one => `- ${one}`).join('\n')}\n`;
}

export function page(results: Results): string {
  const measured = placements(allowedCpus()).filter(({ id }) =>
    Object.keys(results.series).some(key => key.startsWith(`${id}/`)),
  );
  return `# Performance

Written by \`npm run bench\` on ${results.date}; do not edit. The numbers behind it are in
[\`bench/results.json\`](../bench/results.json); where the time goes, and what was tried, is in
[performance-profile.md](performance-profile.md); how it is between real domains, beside vchan-socket-proxy and
TCP over netfront and netback, and which of those targets are missed, in [performance-xen.md](performance-xen.md).

Every route between two UNIX sockets is a *pair* of proxies, as it has to be between two domains: client,
proxy, a carrier, proxy, server. The plain socket, with nothing in between, is the limit. xsock runs as it
is installed, two daemons on a loopback machine: the pages and the doorbells are those of a memfd and
sockets, everything else is what runs on Xen.

Medians of ${results.repetitions} repetitions of ${results.seconds} s, all routes one after the other in each. In brackets, and
in the targets: the ratio to the plain socket **of the same repetition**, which says more than the absolute
number on any machine that does something else as well. All processes are of one session, so of one
scheduling group (\`autogroup\` in sched(7)): what the groups of a desktop or of a service manager cost
comes on top, for every route. The two streams of *interactive beside bulk* share nothing on a plain socket but
the CPU.

![ratios to a plain socket, one CPU](performance.svg)

## Targets

${targetTable(results)}

## Measured

${measured.map(placement => section(results, placement)).join('\n')}
### Idle connections

User memory of both proxies for each connection (the kernel's sockets, the same for all, not counted), and
the share of one CPU that both use while nobody says anything.

${idleTable(results)}

${atRestText(results)}

## Measured on

On Debian, what takes part is installed by \`apt-get install g++ make systemd haproxy nginx-light
libnginx-mod-stream socat\`; what is missing is skipped, with its reason.

${list(results.machine)}
${notMeasured(results)}`;
}
