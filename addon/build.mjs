/**
 * Builds the addon with node-gyp (which npm brings along). Node's headers are taken from this machine
 * where they are: beside the running node, else the system's. Any version's will do, since the addon
 * uses Node-API alone, which is ABI-stable. Without any, node-gyp downloads those of the running node.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const prefixes = [dirname(dirname(process.execPath)), '/usr', '/usr/local'];
const prefix = prefixes.find(directory => existsSync(join(directory, 'include/node/node_api.h')));
const given = process.env.npm_config_nodedir !== undefined;
const headers = prefix === undefined || given ? [] : [`--nodedir=${prefix}`];

const command = process.argv.slice(2);
const { status, error } = spawnSync(
  'node-gyp',
  [...command, '-C', import.meta.dirname, ...headers],
  {
    stdio: 'inherit',
  },
);
if (error !== undefined) {
  process.stderr.write(`node-gyp cannot be run (${error.message}): build with 'npm run build'\n`);
}
process.exitCode = status ?? 1;
