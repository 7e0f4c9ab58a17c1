/** What those who may connect to a JSON server can make it hold, all together and each caller by itself. */

export interface ServerLimits {
  /** Connections of all callers that are not preferred; what comes on top is closed at once. */
  readonly connections: number;
  /** Connections of one caller. */
  readonly connectionsPerCaller: number;
  /** Requests of one caller to one route that are worked on at the same time. */
  readonly inFlight: number;
  /** Requests of one caller to one route that wait for that; what comes on top is answered with 429. */
  readonly waiting: number;
  /** Bytes of a request's headers. */
  readonly headers: number;
  /** Bytes of a request's body. */
  readonly body: number;
  /** Milliseconds until a request's headers have to be there, from the beginning of the connection. */
  readonly headersTimeout: number;
  /** Milliseconds until a whole request has to be there. */
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
