/** Who may use the control socket of this process: its user, and the groups that the system has now. */
import type { Logger } from 'pino';
import {
  type AccessGroups,
  type AccessRules,
  ADMIN_GROUP,
  READER_GROUP,
} from '../control/access.js';
import { messageOf } from '../errors.js';

export class ControlAccess {
  readonly #lookUp: (group: string) => Promise<number | undefined>;
  readonly #log: Logger;
  #groups: AccessGroups = { reader: undefined, admin: undefined };

  constructor(lookUp: (group: string) => Promise<number | undefined>, log: Logger) {
    this.#lookUp = lookUp;
    this.#log = log;
  }

  /** A group may have been created or removed since the last time. */
  async refresh(): Promise<void> {
    const [reader, admin] = await Promise.all([this.#find(READER_GROUP), this.#find(ADMIN_GROUP)]);
    this.#groups = { reader, admin };
  }

  rules(): AccessRules {
    // Never undefined on Linux, which is the only system that this runs on.
    return { uid: process.geteuid?.() ?? 0, groups: this.#groups };
  }

  async #find(group: string): Promise<number | undefined> {
    try {
      return await this.#lookUp(group);
    } catch (error) {
      this.#log.warn(
        { group },
        `group not looked up: its members cannot use the control socket: ${messageOf(error)}`,
      );
      return undefined;
    }
  }
}
