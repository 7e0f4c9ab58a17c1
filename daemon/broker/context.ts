/** What every part of the broker shares: identity, settings, and the interfaces to the rest. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.js';
import type { Dataplane } from '../dataplane/dataplane.js';
import type { DomId } from '../ids.js';
import type { PeerLogs } from '../log/peer-logs.js';
import type { ExportTables } from '../policy/compile.js';
import type { Accounts } from '../service/accounts.js';
import type { View } from '../service/view.js';
import type { Xenstore } from '../xenstore/xenstore.js';
import type { EndedStreams } from './ended-streams.js';
import type { LinkTable } from './link-table.js';
import type { Refusals } from './refusals.js';
import type { XenstoreMarker } from './xenstore-marker.js';

/** Replaced as a whole by a reload. */
export interface Settings {
  readonly config: Config;
  /** Of the configuration's import rules. */
  readonly accounts: Accounts;
  /** Of its exports. */
  readonly exportTables: ExportTables;
}

export interface BrokerContext {
  readonly self: DomId;
  /** This start of the daemon, 32 hexadecimal digits. */
  readonly instance: string;
  readonly dataplane: Dataplane;
  readonly xenstore: Xenstore;
  readonly marker: XenstoreMarker;
  readonly view: View;
  readonly log: Logger;
  /** For every log line that a peer can cause. */
  readonly logs: PeerLogs;
  readonly links: LinkTable;
  /** For status requests. */
  readonly refusals: Refusals;
  readonly endedStreams: EndedStreams;
  settings(): Settings;
  /** Resolves when it is known which domain has the domid, before a link to a daemon with a new instance is made. */
  verify(domid: DomId): Promise<void>;
}
