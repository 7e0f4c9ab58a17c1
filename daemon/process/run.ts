/**
 * A daemon from its start to its end in this process: opens the real xenstore and data plane, runs the
 * Daemon on top of them and the control socket in front of it, handles signals, and releases everything.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import { formatWarning } from '../config/problems.js';
import { absentNames, unknowableNames } from '../config/unknown-names.js';
import type { ControlModel } from '../control/model.js';
import { serveControl } from '../control/server.js';
import { Daemon } from '../daemon.js';
import { openDataplane } from '../dataplane/native-dataplane.js';
import { openVchan } from '../dataplane/native-vchan.js';
import { readOwnDomid } from '../discovery/identity.js';
import { isXsockError, messageOf } from '../errors.js';
import { createLogger } from '../log.js';
import { lookUpGroup } from '../service/accounts.js';
import { Notifier, processNotifierOptions } from '../systemd/notify.js';
import { readVersion } from '../version.js';
import { CleanupStack } from './cleanup-stack.js';
import { loadConfiguration } from './configuration.js';
import { ControlAccess } from './control-access.js';
import { limitEnd } from './end-limit.js';
import { EXIT_FAILURE, EXIT_OK, EXIT_UNAVAILABLE } from './exit-code.js';
import type { DaemonCommand } from './options.js';
import { pumpCount } from './pumps.js';
import { Reloader } from './reload.js';
import { Shutdown, type ShutdownCause, watchSignals } from './shutdown.js';
import { knownNames, warnOfStart } from './start-warnings.js';
import { logStatus } from './status-dump.js';
import { openXenstore, takeDomain, takeRunDirectory } from './surroundings.js';

const SLOW_START_MS = 3_000;

export type RunCommand = Extract<DaemonCommand, { kind: 'run' }>;

/** Resolves with the exit code when the daemon has ended in order; throws what prevents it from starting. */
export async function runDaemon(command: RunCommand): Promise<number> {
  const signals = watchSignals();
  // Between two runs, and while one starts or ends, SIGHUP has no effect: it must not end the process.
  process.on('SIGHUP', () => {});
  for (;;) {
    const code = await runOnce(command, new Shutdown(signals));
    if (code !== undefined) return code;
  }
}

/** One run, from opening everything to releasing it. Undefined: another one has to follow. */
async function runOnce(command: RunCommand, shutdown: Shutdown): Promise<number | undefined> {
  const config = await loadConfiguration(command.config, command.overrides);
  const { level, format } = config.log;
  const log = createLogger({ level, format, destination: process.stderr });
  for (const warning of config.warnings) log.warn(formatWarning(warning));
  const cleanup = new CleanupStack();
  const ended = limitEnd({
    shutdown,
    drain: config.drainTimeout,
    onLate: () => {
      log.warn(
        'shutdown takes too long: no longer waiting for xenstored; our nodes may stay there until the next start',
      );
      cleanup.cancelPending();
    },
    onOver: () => {
      log.error('shutdown timed out: exiting now');
      process.exit(EXIT_FAILURE);
    },
  });
  try {
    return await serve(command, config, log, cleanup, shutdown);
  } catch (error) {
    // A start that a signal cancelled: that is an orderly end.
    if (!shutdown.isRequested || !isXsockError(error, 'XENSTORE_GONE')) throw error;
    return EXIT_OK;
  } finally {
    await cleanup.close(err => log.error({ err }, 'a cleanup step failed'));
    ended();
  }
}

async function serve(
  command: RunCommand,
  config: Config,
  log: Logger,
  cleanup: CleanupStack,
  shutdown: Shutdown,
): Promise<number | undefined> {
  await takeRunDirectory(config.run, cleanup);
  const slow = setTimeout(
    () => log.warn('startup is slow, probably because xenstored does not answer; waiting'),
    SLOW_START_MS,
  );
  cleanup.add(() => clearTimeout(slow));
  const daemon = await startDaemon(command, config, log, cleanup, shutdown);
  clearTimeout(slow);
  const notifier = new Notifier(
    processNotifierOptions({
      onError: err => log.warn({ err }, 'sd_notify failed'),
      alive: () => daemon.alive(),
      onSilent: interval =>
        log.error(
          { interval },
          'a data plane thread does not answer: the watchdog is not notified until it does',
        ),
    }),
  );
  cleanup.add(() => notifier.close());
  const access = new ControlAccess(lookUpGroup, log);
  await access.refresh();
  const reloader = new Reloader({
    initial: config,
    load: () => loadConfiguration(command.config, command.overrides),
    apply: async next => {
      await access.refresh();
      return daemon.reload(next);
    },
    judge: async next => {
      const known = knownNames(await daemon.status());
      return [...unknowableNames(next, known), ...absentNames(next, known)];
    },
    notifier,
  });
  const model = controlModel(daemon, reloader);
  const control = await serveControl(config.run, model, () => access.rules());
  cleanup.add(() => control.close());
  listen('SIGHUP', () => void reloadLogged(reloader, log), cleanup);
  listen('SIGUSR1', () => void logStatus(() => model.status(), log), cleanup);

  notifier.ready('serving');
  const cause = await shutdown.requested;
  log.info(describe(cause));
  if (cause.kind === 'restored') {
    await daemon.stop(0);
    return undefined;
  }
  notifier.stopping(describe(cause));
  return stop(daemon, config, cause, shutdown);
}

function listen(signal: NodeJS.Signals, handle: () => void, cleanup: CleanupStack): void {
  process.on(signal, handle);
  cleanup.add(() => {
    process.off(signal, handle);
  });
}

async function startDaemon(
  command: RunCommand,
  config: Config,
  log: Logger,
  cleanup: CleanupStack,
  shutdown: Shutdown,
): Promise<Daemon> {
  const xenstore = await openXenstore(command.hypervisor, cleanup);
  takeDomain(command.hypervisor, cleanup);
  const domid = await readOwnDomid(xenstore);
  const instance = randomBytes(16);
  const dataplane = openDataplane({
    hypervisor: command.hypervisor,
    domid,
    instance,
    limits: config.limits,
    timings: config.link,
    pumps: pumpCount(config.link.pumps, availableParallelism()),
  });
  cleanup.add(() => dataplane.close());
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
    openVchan: () => openVchan(command.hypervisor),
    onRestored: () => shutdown.request({ kind: 'restored' }),
    onHypervisorGone: detail => shutdown.request({ kind: 'hypervisor-gone', detail }),
  });
  // Also when the start fails half-way: what was published has to be removed. Stopping twice is harmless.
  cleanup.add(() => daemon.stop(0));
  cleanup.addCanceller(() => {
    daemon
      .stop(0)
      .catch((err: unknown) => log.error({ err }, 'the daemon failed to stop in order'));
  });
  await daemon.start();
  warnOfStart(config, await daemon.status(), log);
  return daemon;
}

/** The daemon reports about itself; reloading is this process's responsibility. */
function controlModel(daemon: Daemon, reloader: Reloader): ControlModel {
  return {
    status: async () => ({ ...(await daemon.status()), lastReload: reloader.last }),
    services: () => daemon.services(),
    streams: () => daemon.streams(),
    streamEnd: (program, since) => daemon.streamEnd(program, since),
    resetStream: (peer, stream) => daemon.resetStream(peer, stream),
    reload: () => reloader.reload(),
  };
}

async function reloadLogged(reloader: Reloader, log: Logger): Promise<void> {
  try {
    const { changes, warnings } = await reloader.reload();
    for (const warning of warnings) log.warn(warning);
    log.info({ changes }, 'configuration reloaded');
  } catch (error) {
    log.error(`reload failed; keeping the current configuration: ${messageOf(error)}`);
  }
}

function describe(cause: ShutdownCause): string {
  switch (cause.kind) {
    case 'signal':
      return `stopping after ${cause.signal}`;
    case 'hypervisor-gone':
      return `stopping: the hypervisor is gone (${cause.detail})`;
    case 'restored':
      return 'restarting in the restored domain';
  }
}

async function stop(
  daemon: Daemon,
  config: Config,
  cause: Exclude<ShutdownCause, { readonly kind: 'restored' }>,
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
