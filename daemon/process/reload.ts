/** One reload at a time, whoever requests it; the service manager is notified of each. */
import type { Config } from '../config/config.js';
import { type ConfigWarning, formatWarning } from '../config/problems.js';
import type { LastReload, ReloadResult } from '../control/model.js';
import { messageOf } from '../errors.js';
import type { Notifier } from '../systemd/notify.js';

export interface ReloaderParts {
  /** Throws `CONFIG_INVALID` or `FILE_ACCESS`. */
  readonly load: () => Promise<Config>;
  /** Applies it to the daemon; returns the changes, a sentence each. */
  readonly apply: (config: Config) => Promise<readonly string[]>;
  /** Warnings to log now that it is in force. */
  readonly judge: (config: Config) => Promise<readonly ConfigWarning[]>;
  readonly notifier: Pick<Notifier, 'reloading' | 'ready'>;
  /** The configuration at the start: its run directory stays for the life of the process. */
  readonly initial: Config;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export class Reloader {
  readonly #parts: ReloaderParts;
  #turn: Promise<unknown> = Promise.resolve();
  #last: LastReload | null = null;

  constructor(parts: ReloaderParts) {
    this.#parts = parts;
  }

  /** Runs after reloads in progress. Throws `CONFIG_INVALID` or `FILE_ACCESS`, and then nothing has changed. */
  reload(): Promise<ReloadResult> {
    const result = this.#turn.then(
      () => this.#reload(),
      () => this.#reload(),
    );
    this.#turn = result;
    return result;
  }

  /** Null before the first has ended. */
  get last(): LastReload | null {
    return this.#last;
  }

  async #reload(): Promise<ReloadResult> {
    const { load, apply, judge, notifier, initial, now = Date.now } = this.#parts;
    notifier.reloading();
    try {
      const config = await load();
      const warnings = config.warnings.map(formatWarning);
      if (config.run !== initial.run) {
        warnings.push(
          `run: the change from ${initial.run} to ${config.run} needs a restart of the daemon`,
        );
      }
      const changes = await apply({ ...config, run: initial.run });
      warnings.push(...(await judge(config)).map(formatWarning));
      this.#last = { at: now(), ok: true, error: null };
      notifier.ready('serving');
      return { changes, warnings };
    } catch (error) {
      this.#last = { at: now(), ok: false, error: messageOf(error) };
      notifier.ready('serving; the last reload failed, the earlier configuration is in force');
      throw error;
    }
  }
}
