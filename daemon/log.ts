/** The daemon's log: pino, for people on a terminal and as JSON lines elsewhere. */
import type { Writable } from 'node:stream';
import { type DestinationStream, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { LogFormat, LogLevel } from './config/config.js';

export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: `pretty` if the destination is a terminal. */
  readonly format: LogFormat;
  readonly destination: Writable & { readonly isTTY?: boolean };
}

export function createLogger({ level, format, destination }: LogOptions): Logger {
  const readable = format === 'pretty' || (format === 'auto' && destination.isTTY === true);
  const stream: DestinationStream = readable
    ? pretty({
        destination,
        colorize: destination.isTTY === true,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
        singleLine: true,
      })
    : destination;
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}
