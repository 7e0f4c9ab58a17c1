/**
 * HTTP with JSON bodies on a UNIX socket: the form of every control door, so that curl is a client.
 * Routes know nothing of HTTP; errors become `{code, message}`.
 */
import { chmod } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isXsockError, messageOf } from '../errors.js';
import { freeSocketPath } from './unix-path.js';

export interface JsonRequest<Caller = undefined> {
  /** Values of the `:name` segments of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** What follows the `?`. */
  readonly query: URLSearchParams;
  /** The parsed body; undefined if there was none. */
  readonly body: unknown;
  /** Who has connected. */
  readonly caller: Caller;
}

export interface Route<Caller = undefined> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** e.g. `/v1/streams/:domid/:id` */
  readonly path: string;
  /** Throws if this caller may not ask; before a body is read. */
  readonly admit?: (caller: Caller) => void;
  readonly handle: (request: JsonRequest<Caller>) => unknown;
}

/** A request body is a few hundred bytes; this bounds what a client can make us hold. */
const MAX_BODY = 64 * 1024;

/** An answer other than 200. */
class HttpError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class JsonServer<Caller = undefined> {
  private readonly routes: readonly Route<Caller>[];
  private readonly identify: (socket: Socket) => Caller;
  private readonly server: Server;

  /** `identify` says who has connected; it is asked at each request. */
  constructor(routes: readonly Route<Caller>[], identify: (socket: Socket) => Caller) {
    this.routes = routes;
    this.identify = identify;
    this.server = createServer((request, response) => {
      void this.answer(request, response);
    });
    this.server.headersTimeout = 10_000;
    this.server.requestTimeout = 30_000;
  }

  /** Listens at `path` with these permission bits. Throws `PATH_TOO_LONG` or `PATH_TAKEN`. */
  async listen(path: string, mode: number): Promise<void> {
    await freeSocketPath(path);
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(path, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    await chmod(path, mode);
  }

  /** Stops listening (Node removes the socket) and drops what is still connected. */
  async close(): Promise<void> {
    await new Promise<void>(resolve => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      // Before anything is awaited: the connection is open now.
      const caller = this.identify(request.socket);
      const { route, params, query } = this.match(request);
      route.admit?.(caller);
      const body = await readBody(request);
      const result: unknown = await route.handle({ params, query, body, caller });
      send(response, 200, result ?? {});
    } catch (error) {
      const { status, code } = classify(error);
      send(response, status, { code, message: messageOf(error) });
    }
  }

  private match(request: IncomingMessage): {
    readonly route: Route<Caller>;
    readonly params: Record<string, string>;
    readonly query: URLSearchParams;
  } {
    const { path, query } = parseTarget(request.url ?? '');
    let pathKnown = false;
    for (const route of this.routes) {
      const params = matchPath(route.path, path);
      if (params === undefined) {
        continue;
      }
      pathKnown = true;
      if (route.method === request.method) {
        return { route, params, query };
      }
    }
    throw pathKnown
      ? new HttpError(405, 'METHOD', `${request.method ?? ''} is not possible on ${path}`)
      : new HttpError(404, 'NOT_FOUND', `there is no ${path}`);
  }
}

/**
 * The request target of RFC 9112, section 3.2.1: a path from the root, perhaps with a query. Whole URLs are
 * for proxies, `//` begins no path of ours, and neither is resolved as a browser would.
 */
function parseTarget(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const [, path = '', query = ''] = /^([^?#]*)(?:\?([^#]*))?$/.exec(target) ?? [];
  // Printable ASCII: the answer repeats it.
  if (!/^\/[!-~]*$/.test(path)) {
    throw new HttpError(400, 'BAD_TARGET', 'a request names a path that begins with a slash');
  }
  return { path, query: new URLSearchParams(query) };
}

function classify(error: unknown): { status: number; code: string } {
  if (error instanceof HttpError) {
    return { status: error.status, code: error.code };
  }
  if (isXsockError(error, 'FORBIDDEN')) {
    return { status: 403, code: error.code };
  }
  return isXsockError(error)
    ? { status: 409, code: error.code }
    : { status: 500, code: 'INTERNAL' };
}

function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) {
    return undefined;
  }
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const value = given[index] ?? '';
    if (segment.startsWith(':')) {
      params[segment.slice(1)] = value;
    } else if (segment !== value) {
      return undefined;
    }
  }
  return params;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) {
      throw new HttpError(413, 'TOO_LARGE', `a body has at most ${MAX_BODY} bytes`);
    }
    chunks.push(chunk);
  }
  if (length === 0) {
    return undefined;
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (error) {
    throw new HttpError(400, 'NOT_JSON', `the body is not JSON: ${messageOf(error)}`);
  }
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(value)}\n`);
}
