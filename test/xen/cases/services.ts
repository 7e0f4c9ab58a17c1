/** The services of every domain in these tests: an echo, and real servers that know nothing of xsock. */
import type { Domain } from '../domain.js';

export const ECHO_TARGET = '/tmp/echo';
const REDIS_TARGET = '/tmp/redis';
const XEND_TARGET = '/tmp/xend';

/** Python's own XML-RPC server on a UNIX socket, as xend's was. */
const XEND = `
import socketserver, xmlrpc.server
class Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False
    def address_string(self): return 'unix'
class Server(socketserver.UnixStreamServer, xmlrpc.server.SimpleXMLRPCDispatcher):
    def __init__(self, path):
        xmlrpc.server.SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        self.logRequests = False
        socketserver.UnixStreamServer.__init__(self, path, Handler)
server = Server('${XEND_TARGET}')
server.register_function(lambda a, b: a + b, 'add')
server.serve_forever()
`;

/** Starts them, once in the life of a domain. */
export async function startServices(domain: Domain): Promise<void> {
  await domain.ask('serveEcho', { path: ECHO_TARGET });
  if (domain.name === 'dom0') {
    await domain.ask('write', { path: '/tmp/xend.py', content: XEND });
    await domain.ask('start', { name: 'xend', argv: ['python3', '/tmp/xend.py'] });
    await domain.ask('appears', { path: XEND_TARGET });
    return;
  }
  await domain.ask('start', {
    name: 'redis',
    argv: ['redis-server', '--port', '0', '--unixsocket', REDIS_TARGET, '--save', ''],
  });
  await domain.ask('appears', { path: REDIS_TARGET });
  await domain.run(['sh', '-c', 'mkdir -p /tmp/www && cp /usr/bin/curl /tmp/www/file']);
  await domain.run(['httpd', '-p', '127.0.0.1:80', '-h', '/tmp/www']);
}

/**
 * Everybody may use everything of everybody. Guests link with dom0 and with each other, and know each
 * other's name only, which domain 0 tells them: so they find each other whatever their domids are.
 */
export function configOf(domain: Domain, others: readonly Domain[]): string {
  const exports =
    domain.name === 'dom0'
      ? `- { name: xend, target: "unix:${XEND_TARGET}", allow: [any] }`
      : `- { name: redis, target: "unix:${REDIS_TARGET}", allow: [any] }
  - { name: http, port: 80, target: "tcp:127.0.0.1:80", allow: [any] }`;
  const peers = others.map(({ name }) => (name === 'dom0' ? '{ domid: 0 }' : `{ name: ${name} }`));
  const directory =
    domain.name === 'dom0'
      ? 'directory: { publish: [domu1, domu2] }'
      : `directory: { trust: true }\npeers: [${peers.join(', ')}]`;
  return `exports:
  - { name: echo, port: 7, target: "unix:${ECHO_TARGET}", allow: [any], self: true }
  ${exports}
${directory}
`;
}
