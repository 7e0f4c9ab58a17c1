/** The configuration that this process runs with: its files, and what the command line overrides. */
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.js';
import { DEFAULT_CONFIG_PATH, loadConfig } from '../config/load.js';
import { isXsockError, XsockError } from '../errors.js';
import type { Overrides } from './options.js';

/** In the package, three folders up from dist/daemon/process/. */
const EXAMPLE = fileURLToPath(new URL('../../../config/xsock.yaml', import.meta.url));

/** Throws `CONFIG_INVALID` or `FILE_ACCESS`, as loadConfig does. */
export async function loadConfiguration(path: string, overrides: Overrides): Promise<Config> {
  const config = await load(path);
  return {
    ...config,
    run: overrides.run ?? config.run,
    log: { ...config.log, level: overrides.logLevel ?? config.log.level },
  };
}

async function load(path: string): Promise<Config> {
  try {
    return await loadConfig(path);
  } catch (error) {
    if (path === DEFAULT_CONFIG_PATH && isXsockError(error, 'FILE_ACCESS', 'ENOENT')) {
      throw new XsockError(
        'CONFIG_INVALID',
        `there is no configuration: copy the example ${EXAMPLE} to ${path}, or name another file with --config`,
        { errno: 'ENOENT', subject: path, cause: error },
      );
    }
    throw error;
  }
}
