/** `xsock ls`: the services that are announced to this domain, and those that it exports. */
import { ControlClient } from '../control/client.js';
import type { ServiceStatus } from '../control/model.js';
import { resolveDomain } from './domain.js';
import { formatTable, print, printJson } from './output.js';
import type { Verb } from './verb.js';

/** The local sockets of an imported service; target and allow-list of an exported one. */
function detail(service: ServiceStatus): string {
  const parts: string[] = [];
  if (service.direction === 'exported') {
    const allowed = service.allowed.length === 0 ? 'nobody' : service.allowed.join(', ');
    parts.push(`to ${service.target}, for ${allowed}`);
    if (service.absent.length > 0) parts.push(`no peer is called ${service.absent.join(', ')} now`);
  } else {
    parts.push(service.sockets.length === 0 ? 'not imported' : service.sockets.join(' '));
  }
  if (service.problem !== null) parts.push(`PROBLEM: ${service.problem}`);
  return parts.join('; ');
}

function row(service: ServiceStatus): readonly (string | number)[] {
  return [
    service.domid,
    service.domain ?? '',
    service.name ?? '',
    service.port ?? '',
    service.direction,
    detail(service),
  ];
}

export const lsVerb: Verb = {
  name: 'ls',
  operands: '[domain]',
  summary: 'the services of all domains, or of one',
  details:
    'Lists what other domains announce to this one, with the local sockets, and what this\n' +
    'domain exports, with the target and who may open it. A domain is a domid or a domain name.',
  arity: [0, 1],
  json: true,
  async execute({ operands: [domain], run, json }) {
    const client = new ControlClient(run);
    const only = domain === undefined ? undefined : await resolveDomain(domain, client);
    const services = (await client.services()).filter(
      service => only === undefined || service.domid === only,
    );
    if (json) {
      printJson(services);
    } else if (services.length === 0) {
      print('no services');
    } else {
      print(
        formatTable(
          ['DOMID', 'DOMAIN', 'SERVICE', 'PORT', 'DIRECTION', 'DETAIL'],
          services.map(row),
        ),
      );
    }
    return 0;
  },
};
