/** The control socket of a running loopback machine, for `xsock loopback introduce|destroy|list|counts`. */
import { XsockError } from '../errors.js';
import { JsonServer, type Route } from '../http/json-server.js';
import { type DomId, parseDomId, toDomId } from '../ids.js';
import type { DomainInfo, LoopbackMachine, NewDomain } from './machine.js';

/** Everything read here comes from those who may open the socket. */
function parseNewDomain(body: unknown): NewDomain {
  if (typeof body !== 'object' || body === null || !('name' in body)) {
    throw new XsockError('USAGE', 'expected an object with the name of the domain');
  }
  const { name } = body;
  if (typeof name !== 'string') {
    throw new XsockError('USAGE', 'name must be a string');
  }
  const uuid = 'uuid' in body && typeof body.uuid === 'string' ? { uuid: body.uuid } : {};
  if (!('domid' in body) || body.domid === undefined) {
    return { name, ...uuid };
  }
  const domid = typeof body.domid === 'number' ? toDomId(body.domid) : undefined;
  if (domid === undefined) {
    throw new XsockError('USAGE', 'domid must be a whole number from 0 to 32751');
  }
  return { name, domid, ...uuid };
}

function parseDomain(text: string): DomId {
  const domid = parseDomId(text);
  if (domid === undefined) {
    throw new XsockError('USAGE', 'a domid is a whole number from 0 to 32751');
  }
  return domid;
}

export function createMachineControl(machine: LoopbackMachine): JsonServer {
  const routes: readonly Route[] = [
    { method: 'GET', path: '/v1/domains', handle: (): readonly DomainInfo[] => machine.list() },
    { method: 'GET', path: '/v1/counts', handle: () => machine.counts() },
    {
      method: 'POST',
      path: '/v1/domains',
      handle: ({ body }) => machine.introduce(parseNewDomain(body)),
    },
    {
      method: 'DELETE',
      path: '/v1/domains/:domid',
      handle: ({ params }) => machine.destroy(parseDomain(params.domid ?? '')),
    },
  ];
  // Its socket is for its user alone (run.ts).
  return new JsonServer(routes, {
    identify: () => undefined,
    keyOf: () => 'own user',
    isPreferred: () => true,
  });
}
