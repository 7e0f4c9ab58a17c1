/** Sockets of a configuration whose paths would not fit in `sun_path`. Pure. */
import { MAX_SOCKET_PATH } from '../http/unix-path.js';
import type { Config, ImportConfig } from './config.js';
import type { ConfigProblem, ConfigWarning } from './problems.js';

interface TooLong {
  readonly rule: ImportConfig;
  readonly path: string;
  readonly bytes: number;
}

/** The sockets of raw vchans: one of them keeps the daemon from serving. */
export function problemsOfPaths(config: Config): readonly ConfigProblem[] {
  return tooLong(config, true).map(({ rule, path, bytes }) => ({
    ...placeOf(rule),
    found: `the socket ${path} (${bytes} bytes)`,
    expected: `${MAX_SOCKET_PATH} bytes at most: a shorter service name, or another run directory`,
  }));
}

/** The sockets of services that are named: one of them never appears. */
export function warningsOfPaths(config: Config): readonly ConfigWarning[] {
  return tooLong(config, false).map(({ rule, path, bytes }) => ({
    ...placeOf(rule),
    message: `never appears: the socket ${path} would have ${bytes} bytes, at most ${MAX_SOCKET_PATH} are possible; use a shorter service name or run directory`,
  }));
}

function tooLong({ run, imports }: Config, vchan: boolean): readonly TooLong[] {
  return imports.flatMap(rule => {
    const { peer, service } = rule;
    const isKind = (rule.vchan !== undefined) === vchan;
    if (!isKind || peer.kind !== 'domid' || service.kind !== 'name') return [];
    const path = `${run}${vchan ? '/vchan' : ''}/${peer.domid}/${service.name}`;
    const bytes = Buffer.byteLength(path);
    return bytes > MAX_SOCKET_PATH ? [{ rule, path, bytes }] : [];
  });
}

function placeOf({
  source,
}: ImportConfig): Pick<ConfigProblem, 'file' | 'line' | 'column' | 'path'> {
  const { file, line, column, path } = source ?? { file: '(default)', line: 1, column: 1 };
  return { file, line, column, path: path ?? 'imports[]' };
}
