/** Limits on what the callers of a JSON server can make it hold, together and individually. */

export interface ServerLimits {
  /** Connections of all callers that are not preferred; further ones are closed immediately. */
  readonly connections: number;
  /** Connections of one caller. */
  readonly connectionsPerCaller: number;
  /** Concurrent requests of one caller to one route. */
  readonly inFlight: number;
  /** Queued requests of one caller to one route; further ones are answered with 429. */
  readonly waiting: number;
  /** Bytes of a request's headers. */
  readonly headers: number;
  /** Bytes of a request's body. */
  readonly body: number;
  /** Milliseconds until a request's headers have to be complete, from the start of the connection. */
  readonly headersTimeout: number;
  /** Milliseconds until a whole request has to be complete. */
  readonly requestTimeout: number;
  /** Milliseconds without a byte either way. */
  readonly idleTimeout: number;
}

/** Requests are a few hundred bytes, and a person or a script makes a few at a time. */
export const SERVER_LIMITS: ServerLimits = {
  connections: 512,
  connectionsPerCaller: 64,
  inFlight: 4,
  waiting: 64,
  headers: 8 * 1024,
  body: 64 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  idleTimeout: 60_000,
};
