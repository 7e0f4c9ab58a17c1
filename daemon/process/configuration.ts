/** The configuration of this process: its files, and the overrides of the command line. */
import { lstatSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { problemsOfAnnouncement } from '../broker/announcement.js';
import { prepareSettings } from '../broker/settings.js';
import type { Config } from '../config/config.js';
import { DEFAULT_CONFIG_PATH, loadConfig } from '../config/load.js';
import { type ConfigProblem, ConfigProblems } from '../config/problems.js';
import { placeOf, problemsOfPaths, vchanSockets, warningsOfPaths } from '../config/socket-paths.js';
import { isXsockError, XsockError } from '../errors.js';
import type { DomId } from '../ids.js';
import type { Overrides } from './options.js';

/** In the package, three folders up from dist/daemon/process/. */
const EXAMPLE = fileURLToPath(new URL('../../../config/xsock.yaml', import.meta.url));

/** Throws `CONFIG_INVALID` or `FILE_ACCESS`, as loadConfig does, also for settings that contradict each other. */
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
 * As loadConfiguration(), plus everything else that makes a start or a reload fail and can be checked
 * without doing it. `self`: the domain, where it is known.
 */
export async function checkConfiguration(
  path: string,
  overrides: Overrides,
  self: DomId | undefined,
): Promise<Config> {
  const config = await loadConfiguration(path, overrides);
  await prepareSettings(config, self, new AbortController().signal);
  const taken = takenPlaces(config);
  if (taken.length > 0) throw new ConfigProblems(taken);
  return config;
}

/** Paths of raw vchans' sockets that are in use by something else. */
function takenPlaces(config: Config): readonly ConfigProblem[] {
  return vchanSockets(config).flatMap(({ path, source }) => {
    const why = whyTaken(path);
    if (why === undefined) return [];
    const expected = 'nothing there: move it away';
    return [{ ...placeOf(source), found: `${path}, ${why}`, expected }];
  });
}

/** Undefined also for a socket, which may be the daemon's own, and where this user has no access. */
function whyTaken(path: string): string | undefined {
  try {
    const there = lstatSync(path, { throwIfNoEntry: false });
    return there === undefined || there.isSocket() ? undefined : 'which is not a socket';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOTDIR' ? 'below what is not a directory' : undefined;
  }
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
