/** The proxy that is written in Node in five minutes: `node node-proxy.js LISTEN CONNECT`. */
import { connect, createServer } from 'node:net';

const [, , listen, target] = process.argv;
if (listen === undefined || target === undefined) throw new Error('expected two paths');

createServer(client => {
  const server = connect(target);
  client.pipe(server).pipe(client);
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
}).listen({ path: listen, backlog: 4096 });
