/** The command line of `xsockd`, taken apart. Pure. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { LogLevel } from '../config/config.js';
import { DEFAULT_CONFIG_PATH } from '../config/load.js';
import { messageOf, XsockError } from '../errors.js';
import { escapeForDisplay } from '../service/name.js';

export const USAGE = `usage: xsockd [options]

  --config FILE            configuration (default ${DEFAULT_CONFIG_PATH})
  --run DIR                run directory; overrides the configuration's
  --hypervisor loopback    where domains come from
  --loopback DIR           this domain's directory of a loopback machine, <machine>/domains/<domid>
                           (environment: XSOCK_LOOPBACK)
  --log-level LEVEL        trace, debug, info, warn, error, fatal or silent; overrides the configuration's
  --check                  check the configuration and exit
  --version                print the version and exit
  --help                   print this text and exit

Signals: SIGHUP reads the configuration again, SIGTERM and SIGINT end the daemon in order, a second
one cuts the wait for open streams short.
Exit codes: 0 ended in order, 1 failure, 2 wrong command line, 69 the hypervisor cannot be reached or
is gone, 75 another daemon has the run directory, 78 the configuration cannot be used.`;

/** Settings of the configuration that the command line overrides; they hold across reloads. */
export interface Overrides {
  /** Absolute. */
  readonly run: string | undefined;
  readonly logLevel: LogLevel | undefined;
}

export type DaemonCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'check'; readonly config: string }
  | {
      readonly kind: 'run';
      /** Absolute, as the others: a daemon may change its directory. */
      readonly config: string;
      readonly loopbackDir: string;
      readonly overrides: Overrides;
    };

const LOG_LEVELS: readonly LogLevel[] = [
  'trace',
  'debug',
  'info',
  'warn',
  'error',
  'fatal',
  'silent',
];

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string' },
      run: { type: 'string' },
      hypervisor: { type: 'string' },
      loopback: { type: 'string' },
      'log-level': { type: 'string' },
      check: { type: 'boolean' },
      version: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  }).values;
}

type Values = ReturnType<typeof parse>;

function usage(message: string, cause?: unknown): XsockError {
  return new XsockError('USAGE', `${message} ('xsockd --help' lists the options)`, { cause });
}

function parsed(argv: readonly string[]): Values {
  try {
    return parse(argv);
  } catch (error) {
    throw usage(messageOf(error), error);
  }
}

function logLevelOf(text: string | undefined): LogLevel | undefined {
  if (text === undefined) return undefined;
  const level = LOG_LEVELS.find(known => known === text);
  if (level === undefined) {
    throw usage(`--log-level is one of ${LOG_LEVELS.join(', ')}, not '${escapeForDisplay(text)}'`);
  }
  return level;
}

function loopbackDirOf(values: Values, fromEnvironment: string | undefined): string {
  const { hypervisor = 'loopback' } = values;
  if (hypervisor !== 'loopback') {
    throw usage(`--hypervisor is 'loopback', not '${escapeForDisplay(hypervisor)}'`);
  }
  const directory = values.loopback ?? fromEnvironment;
  if (directory === undefined || directory === '') {
    throw usage(
      "no hypervisor given: --loopback names this domain's directory of a loopback machine" +
        " ('xsock loopback run' starts one)",
    );
  }
  return resolve(directory);
}

/** Throws `USAGE`. `loopbackFromEnvironment` is what XSOCK_LOOPBACK holds; empty counts as unset. */
export function parseDaemonOptions(
  argv: readonly string[],
  loopbackFromEnvironment: string | undefined,
): DaemonCommand {
  const values = parsed(argv);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  for (const option of ['config', 'run'] as const) {
    if (values[option] === '') throw usage(`--${option} is empty`);
  }
  const config = resolve(values.config ?? DEFAULT_CONFIG_PATH);
  const logLevel = logLevelOf(values['log-level']);
  if (values.check === true) return { kind: 'check', config };
  return {
    kind: 'run',
    config,
    loopbackDir: loopbackDirOf(values, loopbackFromEnvironment),
    overrides: { run: values.run === undefined ? undefined : resolve(values.run), logLevel },
  };
}
