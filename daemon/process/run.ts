/**
 * A daemon from its start to its end in this process: opens the real xenstore and data plane, runs the
 * Daemon between them and the control door before it, hears the signals, gives everything back.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { formatWarning } from '../config/problems.js';
import type { ControlModel } from '../control/model.js';
import { serveControl } from '../control/server.js';
import { Daemon } from '../daemon.js';
import { openDataplane } from '../dataplane/native-dataplane.js';
import { readOwnDomid } from '../discovery/identity.js';
import { messageOf } from '../errors.js';
import { createLogger } from '../log.js';
import { Notifier, processNotifierOptions } from '../systemd/notify.js';
import { readVersion } from '../version.js';
import { loadConfiguration } from './configuration.js';
import { EXIT_OK, EXIT_UNAVAILABLE } from './exit-code.js';
import { Opened } from './opened.js';
import type { DaemonCommand } from './options.js';
import { Reloader } from './reload.js';
import { type Shutdown, type ShutdownCause, watchShutdown } from './shutdown.js';
import { openXenstore, takeDomain, takeRunDirectory } from './surroundings.js';

export type RunCommand = Extract<DaemonCommand, { kind: 'run' }>;

/** Resolves with the exit code when the daemon has ended in order; throws what keeps it from starting. */
export async function runDaemon(command: RunCommand): Promise<number> {
  const config = await loadConfiguration(command.config, command.overrides);
  const { level, format } = config.log;
  const log = createLogger({ level, format, destination: process.stderr });
  for (const warning of config.warnings) log.warn(formatWarning(warning));
  const opened = new Opened();
  try {
    return await serve(command, config, log, opened);
  } finally {
    await opened.close(err => log.error({ err }, 'something could not be closed'));
  }
}

async function serve(
  command: RunCommand,
  config: Config,
  log: Logger,
  opened: Opened,
): Promise<number> {
  await takeRunDirectory(config.run, opened);
  const shutdown = watchShutdown();
  const daemon = await startDaemon(command, config, log, opened, shutdown);
  const notifier = new Notifier(
    processNotifierOptions(err => log.warn({ err }, 'the service manager cannot be told')),
  );
  opened.add(() => notifier.close());
  const reloader = new Reloader({
    initial: config,
    load: () => loadConfiguration(command.config, command.overrides),
    apply: next => daemon.reload(next),
    notifier,
  });
  const control = await serveControl(config.run, controlModel(daemon, reloader));
  opened.add(() => control.close());
  const onHangUp = (): void => void reloadLogged(reloader, log);
  process.on('SIGHUP', onHangUp);
  opened.add(() => {
    process.off('SIGHUP', onHangUp);
  });

  notifier.ready('serving');
  const cause = await shutdown.requested;
  notifier.stopping(describe(cause));
  log.info(describe(cause));
  return stop(daemon, config, cause, shutdown);
}

async function startDaemon(
  command: RunCommand,
  config: Config,
  log: Logger,
  opened: Opened,
  shutdown: Shutdown,
): Promise<Daemon> {
  const xenstore = await openXenstore(command.hypervisor, opened);
  await takeDomain(command.hypervisor, opened);
  const domid = await readOwnDomid(xenstore);
  const instance = randomBytes(16);
  const dataplane = openDataplane({
    hypervisor: command.hypervisor,
    domid,
    instance,
    limits: config.limits,
    timings: config.link,
  });
  opened.add(() => dataplane.close());
  const daemon = new Daemon({
    config,
    configPath: command.config,
    version: readVersion(),
    hypervisor: command.hypervisor.kind,
    domid,
    instance: instance.toString('hex'),
    dataplane,
    xenstore,
    log,
    onHypervisorGone: detail => shutdown.request({ kind: 'hypervisor-gone', detail }),
  });
  // Also when the start fails half-way: what was published has to go. Stopping twice is harmless.
  opened.add(() => daemon.stop(0));
  await daemon.start();
  return daemon;
}

/** The daemon tells about itself; reading the configuration again is this process's part. */
function controlModel(daemon: Daemon, reloader: Reloader): ControlModel {
  return {
    status: () => daemon.status(),
    services: () => daemon.services(),
    streams: () => daemon.streams(),
    resetStream: (peer, stream) => daemon.resetStream(peer, stream),
    reload: () => reloader.reload(),
  };
}

async function reloadLogged(reloader: Reloader, log: Logger): Promise<void> {
  try {
    const { changes, warnings } = await reloader.reload();
    for (const warning of warnings) log.warn(warning);
    log.info({ changes }, 'the configuration was read again');
  } catch (error) {
    log.error(`the configuration stays as it was: ${messageOf(error)}`);
  }
}

function describe(cause: ShutdownCause): string {
  return cause.kind === 'signal'
    ? `stopping after ${cause.signal}`
    : `stopping: the hypervisor is gone (${cause.detail})`;
}

async function stop(
  daemon: Daemon,
  config: Config,
  cause: ShutdownCause,
  shutdown: Shutdown,
): Promise<number> {
  // Without a hypervisor there is nobody left to drain to.
  if (cause.kind === 'hypervisor-gone') {
    await daemon.stop(0);
    return EXIT_UNAVAILABLE;
  }
  void shutdown.hurried.then(() => daemon.stop(0));
  await daemon.stop(config.drainTimeout);
  return EXIT_OK;
}
