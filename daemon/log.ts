/** The daemon's log: pino, for people on a terminal and as JSON lines elsewhere. */
import type { Writable } from 'node:stream';
import { type DestinationStream, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { LogFormat, LogLevel } from './config/config.js';
import { BoundedDestination } from './log/bounded-destination.js';
import { neverBlock } from './log/terminal.js';

export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: `pretty` if the destination is a terminal. */
  readonly format: LogFormat;
  /** Whatever happens to its reader, the process goes on and its memory does not grow. */
  readonly destination: Writable & { readonly isTTY?: boolean };
}

export function createLogger({ level, format, destination }: LogOptions): Logger {
  const readable = format === 'pretty' || (format === 'auto' && destination.isTTY === true);
  neverBlock(destination);
  const bounded = new BoundedDestination({
    target: destination,
    onResumed: dropped =>
      log.warn({ dropped }, `${dropped} log lines were dropped: the reader of the log is too slow`),
  });
  const stream: DestinationStream = readable
    ? pretty({
        destination: bounded,
        colorize: destination.isTTY === true,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        singleLine: true,
      })
    : bounded;
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  return log;
}
