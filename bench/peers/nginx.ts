/** nginx's stream module, one worker. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { findProgram, type Need, openPair, type Peer } from './peer.js';

const NEED: Need = { program: 'nginx', package: 'nginx-light' };
/** A module of its own in Debian; built in elsewhere. */
const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

const configOf = (listen: string, connect: string, prefix: string): string => `
${existsSync(MODULE) ? `load_module ${MODULE};` : ''}
daemon off;
worker_processes 1;
worker_rlimit_nofile 40000;
pid ${prefix}.pid;
error_log stderr error;
events { worker_connections 30000; }
stream {
  server {
    listen unix:${listen} backlog=4096;
    proxy_pass unix:${connect};
    proxy_timeout 1h;
  }
}
`;

export const nginx: Peer = {
  id: 'nginx',
  title: 'nginx stream',
  needs: [
    NEED,
    {
      program: 'ngx_stream_module.so',
      package: 'libnginx-mod-stream',
      folders: ['/usr/lib/nginx/modules'],
    },
  ],
  version: ['nginx', '-v'],
  descriptors: 2,
  open: (directory, placement) =>
    openPair(directory, placement, async (listen, connect, prefix) => {
      await writeFile(`${prefix}.conf`, configOf(listen, connect, prefix));
      const nginx = (await findProgram(NEED)) ?? NEED.program;
      return [nginx, '-c', `${prefix}.conf`, '-e', 'stderr', '-g', 'user root;'];
    }),
};
