/** The path of a service's socket in the view. Pure: the daemon is not asked. */
import { join } from 'node:path';
import { XsockError } from '../errors.js';
import { parseDomId } from '../ids.js';
import { escapeForDisplay } from '../text/escape.js';
import { isDomainName, parseServiceName } from '../text/names.js';

const PORT_MAX = 65_535;

/**
 * The path of a service's socket: the domain is a domid or a domain name, the service a port number
 * (all digits) or a service name. Throws `USAGE` or `SERVICE_NAME`.
 */
export function serviceSocketPath(run: string, domain: string, service: string): string {
  const directory = join(run, domainDirectory(domain));
  if (/^\d+$/.test(service)) {
    const port = Number(service);
    if (port < 1 || port > PORT_MAX) {
      throw new XsockError('USAGE', `${escapeForDisplay(service)} is not a port from 1 to 65535`);
    }
    return join(directory, 'port', String(port));
  }
  return join(directory, parseServiceName(service));
}

function domainDirectory(domain: string): string {
  if (parseDomId(domain) !== undefined) return domain;
  if (isDomainName(domain)) return join('by-name', domain);
  throw new XsockError(
    'USAGE',
    `'${escapeForDisplay(domain)}' is neither a domid nor a domain name`,
  );
}
