/** The configuration that this process runs with: its files, and what the command line overrides. */
import { fileURLToPath } from 'node:url';
import { problemsOfAnnouncement } from '../broker/announcement.js';
import { prepareSettings } from '../broker/settings.js';
import type { Config } from '../config/config.js';
import { DEFAULT_CONFIG_PATH, loadConfig } from '../config/load.js';
import { ConfigProblems } from '../config/problems.js';
import { problemsOfPaths, warningsOfPaths } from '../config/socket-paths.js';
import { isXsockError, XsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import type { Overrides } from './options.js';

/** In the package, three folders up from dist/daemon/process/. */
const EXAMPLE = fileURLToPath(new URL('../../../config/xsock.yaml', import.meta.url));

/** Throws `CONFIG_INVALID` or `FILE_ACCESS`, as loadConfig does, also for what does not fit together. */
export async function loadConfiguration(path: string, overrides: Overrides): Promise<Config> {
  const loaded = await load(path);
  const config = {
    ...loaded,
    run: overrides.run ?? loaded.run,
    log: { ...loaded.log, level: overrides.logLevel ?? loaded.log.level },
  };
  const problems = [...problemsOfPaths(config), ...problemsOfAnnouncement(config)];
  if (problems.length > 0) throw new ConfigProblems(problems);
  return { ...config, warnings: [...config.warnings, ...warningsOfPaths(config)] };
}

/**
 * As loadConfiguration(), and everything else that makes a start or a reload fail and can be known
 * without doing it. `self`: the domain, where it is known.
 */
export async function checkConfiguration(
  path: string,
  overrides: Overrides,
  self: DomId | undefined,
): Promise<Config> {
  const config = await loadConfiguration(path, overrides);
  await prepareSettings(config, self, new AbortController().signal);
  return config;
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
