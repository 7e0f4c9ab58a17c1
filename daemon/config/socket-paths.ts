/** Paths of a configuration's sockets, as far as its text determines them, and which of these are too long. Pure. */
import { MAX_SOCKET_PATH } from '../http/unix-path.js';
import type { Config, ImportConfig } from './config.js';
import type { SourcePosition } from './position.js';
import type { ConfigProblem, ConfigWarning } from './problems.js';

interface NamedSocket {
  readonly path: string;
  readonly source: SourcePosition;
}

/** The sockets of raw vchans. One that cannot be created prevents the daemon from serving. */
export function vchanSockets({ run, imports }: Config): readonly NamedSocket[] {
  return named(
    imports.filter(({ vchan }) => vchan !== undefined),
    `${run}/vchan`,
  );
}

/** Raw vchans whose sockets' paths are too long. */
export function problemsOfPaths(config: Config): readonly ConfigProblem[] {
  return tooLong(vchanSockets(config)).map(({ path, source, bytes }) => ({
    ...placeOf(source),
    found: `the socket ${path} (${bytes} bytes)`,
    expected: `${MAX_SOCKET_PATH} bytes at most: a shorter service name, or another run directory`,
  }));
}

/** Services that never appear, since the paths of their sockets are too long. */
export function warningsOfPaths({ run, imports, exports }: Config): readonly ConfigWarning[] {
  const own = exports.flatMap(({ name, self, source }) =>
    // The own domid has at least one digit.
    self && name !== undefined ? [{ path: `${run}/0/${name}`, source }] : [],
  );
  const others = named(
    imports.filter(({ vchan }) => vchan === undefined),
    run,
  );
  return tooLong([...own, ...others]).map(({ path, source, bytes }) => ({
    ...placeOf(source),
    message: `never appears: the socket ${path} would have ${bytes} bytes, at most ${MAX_SOCKET_PATH} are possible; use a shorter service name or run directory`,
  }));
}

function named(imports: readonly ImportConfig[], directory: string): readonly NamedSocket[] {
  return imports.flatMap(({ peer, service, source }) =>
    peer.kind === 'domid' && service.kind === 'name' && source !== undefined
      ? [{ path: `${directory}/${peer.domid}/${service.name}`, source }]
      : [],
  );
}

function tooLong(
  sockets: readonly NamedSocket[],
): readonly (NamedSocket & { readonly bytes: number })[] {
  return sockets
    .map(socket => ({ ...socket, bytes: Buffer.byteLength(socket.path) }))
    .filter(({ bytes }) => bytes > MAX_SOCKET_PATH);
}

/** As shown in a problem. */
export function placeOf({
  file,
  line,
  column,
  path = '(rule)',
}: SourcePosition): Pick<ConfigProblem, 'file' | 'line' | 'column' | 'path'> {
  return { file, line, column, path };
}
