/**
 * Logs everything that a peer can cause: one limiter for each peer, so that none fills the log or
 * hides what another does. Lines below `info` were asked for and are not limited.
 */
import type { Logger } from 'pino';
import type { DomId } from '../ids.js';
import { LineLimiter, type LineLimits } from './line-limiter.js';

/**
 * The logger of the daemon's parts. The message is our own and the same for all lines of a kind: what
 * differs goes into the fields. Every pino logger is one.
 */
export interface LineLog {
  debug(fields: object, message: string): void;
  debug(message: string): void;
  info(fields: object, message: string): void;
  info(message: string): void;
  warn(fields: object, message: string): void;
  warn(message: string): void;
  error(fields: object, message: string): void;
  error(message: string): void;
}

type Level = keyof LineLog;

class LimitedLog implements LineLog {
  /** Not a child of it: those keep the level that they were made with, whatever a reload says. */
  readonly #log: Logger;
  readonly #fields: object;
  readonly #limiter: LineLimiter;

  constructor(log: Logger, fields: object, limiter: LineLimiter) {
    this.#log = log;
    this.#fields = fields;
    this.#limiter = limiter;
  }

  debug(first: object | string, message?: string): void {
    this.#write('debug', first, message);
  }
  info(first: object | string, message?: string): void {
    this.#write('info', first, message);
  }
  warn(first: object | string, message?: string): void {
    this.#write('warn', first, message);
  }
  error(first: object | string, message?: string): void {
    this.#write('error', first, message);
  }

  #write(level: Level, first: object | string, message: string | undefined): void {
    // Lines that the level suppresses anyway must not count against those that are written.
    if (!this.#log.isLevelEnabled(level)) return;
    const kind = typeof first === 'string' ? first : (message ?? '');
    if (level !== 'debug' && !this.#limiter.mayWrite(kind)) return;
    const fields = typeof first === 'string' ? this.#fields : { ...this.#fields, ...first };
    this.#log[level](fields, typeof first === 'string' ? first : message);
  }
}

export class PeerLogs {
  readonly #log: Logger;
  readonly #limits: LineLimits | undefined;
  readonly #limiters = new Map<DomId | undefined, LineLimiter>();

  constructor(log: Logger, limits?: LineLimits) {
    this.#log = log;
    this.#limits = limits;
  }

  /** The log of this peer (undefined: of no particular peer), with `fields` in each line. */
  of(peer: DomId | undefined, fields: object = {}): LineLog {
    return new LimitedLog(this.#log, { peer, ...fields }, this.#limiter(peer));
  }

  /** The peer is gone: pending counts are written, nothing is kept. */
  forget(peer: DomId): void {
    this.#limiters.get(peer)?.close();
    this.#limiters.delete(peer);
  }

  /** The same for all. */
  close(): void {
    for (const limiter of this.#limiters.values()) limiter.close();
    this.#limiters.clear();
  }

  #limiter(peer: DomId | undefined): LineLimiter {
    const known = this.#limiters.get(peer);
    if (known !== undefined) return known;
    const limiter = new LineLimiter(
      (kind, count) =>
        this.#log.warn(
          { peer, count, kind },
          `${count} more of these lines were left out: ${kind}`,
        ),
      this.#limits,
    );
    this.#limiters.set(peer, limiter);
    return limiter;
  }
}
