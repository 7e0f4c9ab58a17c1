/**
 * HTTP with JSON bodies on a UNIX socket: the form of every control socket, so that curl is a client.
 * Routes know nothing of HTTP; errors become `{code, message}`.
 */
import { chmod } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isXsockError, messageOf } from '../errors.js';
import { sendJson } from './json-answer.js';
import { SERVER_LIMITS, type ServerLimits } from './limits.js';
import { Turns } from './turns.js';
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

/** Those who may connect. */
export interface Callers<Caller> {
  /** The caller; evaluated at each request. */
  readonly identify: (socket: Socket) => Caller;
  /** Callers with the same key share one set of limits. */
  readonly keyOf: (caller: Caller) => string;
  /** Not counted in the limit for all connections: a caller with many identities cannot lock these out. */
  readonly isPreferred: (caller: Caller) => boolean;
}

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
  private readonly callers: Callers<Caller>;
  private readonly limits: ServerLimits;
  private readonly server: Server;
  private readonly turns: Turns;
  /** Open connections, by caller. */
  private readonly connections = new Map<string, number>();
  /** Those of callers that are not preferred. */
  private common = 0;

  constructor(
    routes: readonly Route<Caller>[],
    callers: Callers<Caller>,
    limits: ServerLimits = SERVER_LIMITS,
  ) {
    this.routes = routes;
    this.callers = callers;
    this.limits = limits;
    this.turns = new Turns(limits);
    const { headersTimeout, requestTimeout } = limits;
    this.server = createServer(
      {
        maxHeaderSize: limits.headers,
        headersTimeout,
        requestTimeout,
        // How late a request may be found to be late.
        connectionsCheckingInterval: headersTimeout / 2,
      },
      (request, response) => {
        void this.answer(request, response);
      },
    );
    this.server.timeout = limits.idleTimeout;
    this.server.on('connection', socket => this.admitConnection(socket));
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

  private admitConnection(socket: Socket): void {
    const { callers, connections, limits } = this;
    const caller = callers.identify(socket);
    const key = callers.keyOf(caller);
    const counted = callers.isPreferred(caller) ? 0 : 1;
    const open = connections.get(key) ?? 0;
    if (open >= limits.connectionsPerCaller || this.common + counted > limits.connections) {
      socket.destroy();
      return;
    }
    connections.set(key, open + 1);
    this.common += counted;
    socket.once('close', () => {
      this.common -= counted;
      const left = (connections.get(key) ?? 1) - 1;
      if (left === 0) connections.delete(key);
      else connections.set(key, left);
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      // Before anything is awaited: the connection is open now.
      const caller = this.callers.identify(request.socket);
      const { route, params, query } = this.match(request);
      route.admit?.(caller);
      const key = `${this.callers.keyOf(caller)} ${route.method} ${route.path}`;
      const turn = this.turns.take(key);
      if (turn === undefined) throw new HttpError(429, 'TOO_MANY', 'too many concurrent requests');
      await turn;
      try {
        const body = await readBody(request, this.limits.body);
        const result: unknown = await route.handle({ params, query, body, caller });
        await sendJson(response, 200, result ?? {});
      } finally {
        this.turns.end(key);
      }
    } catch (error) {
      if (response.headersSent) {
        response.destroy();
        return;
      }
      const { status, code } = classify(error);
      await sendJson(response, status, { code, message: messageOf(error) });
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

async function readBody(request: IncomingMessage, limit: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) {
      throw new HttpError(413, 'TOO_LARGE', `a body may have at most ${limit} bytes`);
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
