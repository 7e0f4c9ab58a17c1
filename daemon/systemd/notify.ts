/**
 * Notifications to the service manager (sd_notify(3)). Without NOTIFY_SOCKET every call does nothing, so
 * that the daemon runs the same with and without systemd.
 */
import { loadNative } from '../dataplane/native.js';

/** Sends one datagram to a UNIX socket; `@` at the start of the path: abstract. */
export type SendDatagram = (socketPath: string, message: string) => void;

export interface NotifierOptions {
  /** `process.env`: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID (sd_watchdog_enabled(3)). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly send: SendDatagram;
  /** Called once, at the first datagram that could not be sent: later failures add nothing. */
  readonly onError: (error: unknown) => void;
  /** Microseconds of CLOCK_MONOTONIC. */
  readonly monotonic: () => bigint;
  /** Resolves once every data plane thread has had a turn: only then is the watchdog notified. */
  readonly alive: () => Promise<unknown>;
  /** They have not had a turn between two watchdog notifications, due `interval` milliseconds apart. */
  readonly onSilent: (interval: number) => void;
}

/** The daemon's messages to it. */
export type NotifierParts = Pick<NotifierOptions, 'onError' | 'alive' | 'onSilent'>;

/** The options of a real process. */
export function processNotifierOptions(parts: NotifierParts): NotifierOptions {
  return {
    ...parts,
    environment: process.env,
    pid: process.pid,
    send: (socketPath, message) => loadNative().sdNotify(socketPath, message),
    monotonic: () => process.hrtime.bigint() / 1000n,
  };
}

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #socket: string | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #failed = false;
  /** The threads were pinged, and have not answered. */
  #asking = false;
  #silent = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
    const socket = options.environment.NOTIFY_SOCKET;
    // systemd sends a path or an abstract name; vsock addresses are for whole machines.
    this.#socket = socket !== undefined && /^[/@]./.test(socket) ? socket : undefined;
  }

  /** The daemon serves; also after a reload, whether it changed anything or not. Starts the watchdog. */
  ready(status: string): void {
    this.#send('READY=1', `STATUS=${oneLine(status)}`);
    this.#startWatchdog();
  }

  reloading(): void {
    // Type=notify-reload needs the time; Type=notify ignores it.
    this.#send('RELOADING=1', `MONOTONIC_USEC=${this.#options.monotonic()}`);
  }

  stopping(status: string): void {
    this.#send('STOPPING=1', `STATUS=${oneLine(status)}`);
  }

  /** Ends the watchdog notifications; sends nothing. */
  close(): void {
    clearInterval(this.#watchdog);
    this.#watchdog = undefined;
  }

  #startWatchdog(): void {
    const interval = watchdogInterval(this.#options);
    if (this.#socket === undefined || interval === undefined || this.#watchdog !== undefined) {
      return;
    }
    void this.#feed(interval);
    this.#watchdog = setInterval(() => void this.#feed(interval), interval);
    this.#watchdog.unref();
  }

  /** Pings the threads; a hanging one is pinged once, and nothing but the watchdog notification waits for it. */
  async #feed(interval: number): Promise<void> {
    if (this.#asking) {
      if (!this.#silent) this.#options.onSilent(interval);
      this.#silent = true;
      return;
    }
    this.#asking = true;
    try {
      await this.#options.alive();
    } catch {
      // The data plane is being closed: no watchdog notification is due any more.
      return;
    }
    this.#asking = false;
    this.#silent = false;
    if (this.#watchdog !== undefined) this.#send('WATCHDOG=1');
  }

  #send(...lines: readonly string[]): void {
    if (this.#socket === undefined) return;
    try {
      this.#options.send(this.#socket, lines.join('\n'));
    } catch (error) {
      if (!this.#failed) this.#options.onError(error);
      this.#failed = true;
    }
  }
}

/** Milliseconds between two watchdog notifications, half of the limit; undefined if there is no watchdog. */
function watchdogInterval({ environment, pid }: NotifierOptions): number | undefined {
  const { WATCHDOG_USEC: allowed, WATCHDOG_PID: whose } = environment;
  if (allowed === undefined || !/^[1-9]\d{0,14}$/.test(allowed)) return undefined;
  if (whose !== undefined && whose !== String(pid)) return undefined;
  return Math.max(1, Math.floor(Number(allowed) / 2000));
}

/** A line break would start another assignment. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
