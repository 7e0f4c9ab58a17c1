/**
 * A host in one process: whole daemons over one real xenstored, linked by fake data planes.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pino } from 'pino';
import type { Test } from 'tap';
import type { Config, ExportConfig, PeerConfig } from '../../daemon/config/config.js';
import {
  DEFAULT_HEARTBEAT,
  DEFAULT_LIMITS,
  DEFAULT_LOG,
  IMPORT_EVERYTHING,
} from '../../daemon/config/defaults.js';
import { Daemon } from '../../daemon/daemon.js';
import type { DomId } from '../../daemon/ids.js';
import { Xenstored } from '../../daemon/loopback/xenstored/xenstored.js';
import { parseServiceName } from '../../daemon/text/names.js';
import { connectXenstore } from '../../daemon/xenstore/client.js';
import { unixTransport, type XenstoreTransport } from '../../daemon/xenstore/transport.js';
import { eventually } from './eventually.js';
import { FakeHost } from './fake-dataplane.js';
import { temporaryDirectory } from './temp-directory.js';

const source = { file: 'test.yaml', line: 1, column: 1 };
const id = (domid: number): DomId => domid as DomId;

/** For these domids, or domains by name. */
export function exported(
  name: string,
  allow: readonly (number | string)[],
  self = false,
): ExportConfig {
  return {
    name: parseServiceName(name),
    port: undefined,
    target: { kind: 'unix', path: '/nowhere' },
    allow: allow.map(peer => ({
      peer:
        typeof peer === 'number'
          ? { kind: 'domid', domid: id(peer) }
          : { kind: 'name', name: peer },
      source,
    })),
    self,
    vchan: [],
    source,
  };
}

export const peerConfig = (domid: number): PeerConfig => ({
  domid: id(domid),
  name: undefined,
  source,
});

/** A way to xenstored that can be cut; what was cut stays so until it is mended. */
function cuttable(transport: XenstoreTransport) {
  let stream: Duplex | undefined;
  let gate: Promise<void> | undefined;
  const connect = async (): Promise<Duplex> => {
    await gate;
    stream = await transport.connect();
    return stream;
  };
  /** Gives what mends it. */
  const cut = (): (() => void) => {
    let mend = (): void => {};
    gate = new Promise(resolve => {
      mend = resolve;
    });
    stream?.destroy();
    return mend;
  };
  return { transport: { ...transport, connect }, cut };
}

/** A host with these domains, none of which runs a daemon yet. */
export async function setUpHost(t: Test, domids: readonly number[]) {
  const directory = temporaryDirectory(t);
  let xenstored = new Xenstored();
  const host = new FakeHost();
  t.teardown(() => xenstored.close());
  const add = async (domid: number, name = `name-${domid}`): Promise<void> => {
    await xenstored.listen(domid, join(directory, String(domid)));
    xenstored.createHome({ domid, name, uuid: `uuid-${domid}` });
    xenstored.introduce(domid);
  };
  const destroy = (domid: number): void => {
    xenstored.removeHome(domid);
    xenstored.release(domid);
  };
  /** As a toolstack does that starts late: nothing of what was below is there any more. */
  const rewriteHome = (domid: number): void => {
    xenstored.removeHome(domid);
    xenstored.createHome({ domid, name: `name-${domid}`, uuid: `uuid-${domid}` });
  };
  const fill = async (present: readonly number[]): Promise<void> => {
    for (const domid of present) await add(domid);
  };
  await fill(domids);
  /** As after a crash: an empty one, that knows of these domains only. */
  const replaceXenstored = async (present: readonly number[]): Promise<void> => {
    await xenstored.close();
    xenstored = new Xenstored();
    await fill(present);
  };
  let starts = 0;
  const boot = async (domid: number, given: Partial<Config> = {}) => {
    const run = join(directory, `r${++starts}`);
    const instance = String(starts).padStart(32, '0');
    const config: Config = {
      run,
      log: { ...DEFAULT_LOG, level: 'info' },
      peers: undefined,
      directory: { publish: [], trust: false },
      exports: [],
      imports: [IMPORT_EVERYTHING],
      limits: DEFAULT_LIMITS,
      link: {
        ringOrder: 12,
        heartbeatInterval: DEFAULT_HEARTBEAT.interval,
        heartbeatTimeout: DEFAULT_HEARTBEAT.timeout,
        pollTime: 0,
        pumps: 1,
      },
      drainTimeout: 0,
      warnings: [],
      ...given,
    };
    const { transport, cut } = cuttable(unixTransport(join(directory, String(domid))));
    const xenstore = await connectXenstore(transport);
    const fires: (() => void)[] = [];
    const setWatch = xenstore.watch.bind(xenstore);
    xenstore.watch = (path, onEvent) => {
      fires.push(() => onEvent(path));
      return setWatch(path, onEvent);
    };
    /** As in a domain that Linux has resumed: it sets all watches again. */
    const resume = (): void => {
      for (const fire of fires) fire();
    };
    const lines: string[] = [];
    const dataplane = host.dataplane(id(domid), instance);
    const daemon = new Daemon({
      config,
      configPath: 'test.yaml',
      version: '0',
      hypervisor: 'loopback',
      domid: id(domid),
      instance,
      dataplane,
      xenstore,
      log: pino({ level: 'info' }, { write: line => void lines.push(line) }),
      onHypervisorGone: () => undefined,
      onRestored: () => void lines.push('restored'),
      openVchan: () => {
        throw new Error('no raw vchan here');
      },
    });
    let alive = true;
    /** With its domain: nothing of it runs any more. */
    const die = async (): Promise<void> => {
      alive = false;
      await xenstore.close();
      await dataplane.close();
    };
    t.teardown(async () => {
      if (alive) await daemon.stop(0);
      await die();
    });
    await daemon.start();
    const linkState = async (of: number): Promise<string | undefined> =>
      (await daemon.status()).peers.find(({ domid }) => domid === of)?.state;
    const until = (of: number, wanted: string) =>
      eventually(async () => {
        const state = await linkState(of);
        if (state !== wanted) throw new Error(`the link with ${of} is ${state}, not ${wanted}`);
      });
    const appears = (path: string, there = true) =>
      eventually(async () => {
        if (existsSync(join(run, path)) !== there) throw new Error(`${path}: ${!there}`);
      });
    const logs = (text: string) =>
      eventually(async () => {
        if (!lines.some(line => line.includes(text))) throw new Error(`the log has no '${text}'`);
      });
    return {
      daemon,
      dataplane,
      xenstore,
      config,
      run,
      until,
      appears,
      cut,
      die,
      lines,
      logs,
      resume,
    };
  };
  return { host, boot, add, destroy, rewriteHome, replaceXenstored };
}
