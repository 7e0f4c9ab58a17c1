/** Parses the command line of `xsockd`. Pure. */
import { resolve } from 'node:path';
import { pathFault } from '../config/address.js';
import type { LogLevel } from '../config/config.js';
import { RUN_MAX } from '../config/defaults.js';
import { DEFAULT_CONFIG_PATH } from '../config/load.js';
import type { HypervisorChoice } from '../dataplane/dataplane.js';
import { XsockError } from '../errors.js';
import { escapeForDisplay } from '../text/escape.js';
import { parseOptions } from './parse-options.js';

export const USAGE = `usage: xsockd [options]

  --config FILE            configuration (default ${DEFAULT_CONFIG_PATH})
  --run DIR                run directory; overrides the configuration's
  --hypervisor KIND        xen or loopback; default: loopback if a directory is given, else xen
  --loopback DIR           this domain's directory of a loopback machine, <machine>/domains/<domid>
                           (environment: XSOCK_LOOPBACK)
  --log-level LEVEL        trace, debug, info, warn, error, fatal or silent; overrides the configuration's
  --check                  check the configuration and exit
  --version                print the version and exit
  --help                   print this text and exit

Signals: SIGHUP reads the configuration again, SIGUSR1 logs the status, SIGTERM and SIGINT end the
daemon in order, a second one within half a second, resetting open streams.
Exit codes: 0 orderly end, 1 failure, 2 usage error, 69 the hypervisor cannot be reached or
is gone, 75 another daemon has the domain or the run directory, 78 the configuration cannot be used.`;

/** Settings of the configuration that the command line overrides; they persist across reloads. */
export interface Overrides {
  /** Absolute. */
  readonly run: string | undefined;
  readonly logLevel: LogLevel | undefined;
}

/** What else the choice of a hypervisor depends on. */
export interface Surroundings {
  /** XSOCK_LOOPBACK; empty counts as unset. */
  readonly loopback: string | undefined;
  /** This is a domain of a real Xen. */
  readonly xen: boolean;
}

export type DaemonCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'check'; readonly config: string; readonly run: string | undefined }
  | {
      readonly kind: 'run';
      /** Absolute, as the others: a daemon may change its directory. */
      readonly config: string;
      readonly hypervisor: HypervisorChoice;
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

const HELP = "'xsockd --help' lists the options";

function parse(argv: readonly string[]) {
  const options = {
    config: { type: 'string' },
    run: { type: 'string' },
    hypervisor: { type: 'string' },
    loopback: { type: 'string' },
    'log-level': { type: 'string' },
    check: { type: 'boolean' },
    version: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  return parseOptions({ args: [...argv], options }, HELP).values;
}

type Values = ReturnType<typeof parse>;

function usage(message: string): XsockError {
  return new XsockError('USAGE', `${message} (${HELP})`);
}

/** Absolute; short enough for the sockets below it. */
function runOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const run = resolve(text);
  const fault = pathFault(run, RUN_MAX);
  if (fault !== undefined) throw usage(`--run '${escapeForDisplay(run)}': ${fault} is needed`);
  return run;
}

function logLevelOf(text: string | undefined): LogLevel | undefined {
  if (text === undefined) return undefined;
  const level = LOG_LEVELS.find(known => known === text);
  if (level === undefined) {
    throw usage(`--log-level is one of ${LOG_LEVELS.join(', ')}, not '${escapeForDisplay(text)}'`);
  }
  return level;
}

function hypervisorOf(values: Values, around: Surroundings): HypervisorChoice {
  const directory = values.loopback ?? around.loopback;
  const given = directory === undefined || directory === '' ? undefined : directory;
  const kind = values.hypervisor ?? (given === undefined && around.xen ? 'xen' : 'loopback');
  if (kind === 'xen') {
    if (values.loopback !== undefined) {
      throw usage('--loopback is for --hypervisor loopback only');
    }
    return { kind: 'xen' };
  }
  if (kind !== 'loopback') {
    throw usage(`--hypervisor is 'xen' or 'loopback', not '${escapeForDisplay(kind)}'`);
  }
  if (given === undefined) {
    throw usage(
      "no hypervisor: this is no Xen domain, so --loopback names this domain's directory of a" +
        " loopback machine ('xsock loopback run' starts one)",
    );
  }
  return { kind: 'loopback', domainDir: resolve(given) };
}

/** Throws `USAGE`. */
export function parseDaemonOptions(argv: readonly string[], around: Surroundings): DaemonCommand {
  const values = parse(argv);
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  for (const option of ['config', 'run'] as const) {
    if (values[option] === '') throw usage(`--${option} is empty`);
  }
  const config = resolve(values.config ?? DEFAULT_CONFIG_PATH);
  const logLevel = logLevelOf(values['log-level']);
  const run = runOf(values.run);
  if (values.check === true) return { kind: 'check', config, run };
  return {
    kind: 'run',
    config,
    hypervisor: hypervisorOf(values, around),
    overrides: { run, logLevel },
  };
}
