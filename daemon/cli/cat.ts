/** `xsock cat`: connects standard input and output to a service, like nc. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { ControlClient } from '../control/client.js';
import { messageOf, XsockError } from '../errors.js';
import { monotonicNow } from '../monotonic.js';
import { serviceSocketPath } from './service-path.js';
import type { Verb } from './verb.js';

/** Remedies for the errors of connect(2) that have a common cause. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: "that domain does not announce it to this one now ('xsock ls' lists what it does)",
  ENOTDIR: 'this is not a run directory of xsockd',
  EACCES: "the import rule's owner, group and mode do not let you use it",
  ECONNREFUSED: 'the daemon that served it has ended',
};

function failure(path: string, what: string, error: NodeJS.ErrnoException): XsockError {
  const errno = error.code ?? 'unknown error';
  const remedy = REMEDIES[errno];
  return new XsockError(
    'FILE_ACCESS',
    `${what} '${path}': ${errno}${remedy === undefined ? '' : `: ${remedy}`}`,
    { errno, subject: path, cause: error },
  );
}

async function connect(path: string): Promise<Socket> {
  // Half-open, so that a service may go on sending when our input has ended, and the other way round.
  const socket = createConnection({ path, allowHalfOpen: true });
  try {
    await once(socket, 'connect');
  } catch (error) {
    throw failure(path, 'cannot connect to', error as NodeJS.ErrnoException);
  }
  return socket;
}

/** Why the stream was cut, as the daemon says; undefined if it ended in order. `opened`: by monotonicNow(). */
async function whyCut(run: string, opened: number): Promise<string | undefined> {
  try {
    const { end, reason } = await new ControlClient(run).ownStreamEnd(opened);
    if (end === 'in-order') return undefined;
    return end === 'cut' ? reason : `it is unknown how it ended: ${reason}`;
  } catch (error) {
    // The daemon may have ended, and with it all streams.
    return `it is unknown how it ended: ${messageOf(error)}`;
  }
}

/** Copies both ways until the service has closed its side and all of it is written. */
async function exchange(socket: Socket): Promise<void> {
  const { stdin, stdout } = process;
  stdin.pipe(socket);
  socket.pipe(stdout, { end: false });
  stdin.once('error', () => socket.end());
  try {
    await once(socket, 'end');
  } finally {
    stdin.unpipe(socket);
    // There is nobody left to receive further standard input.
    stdin.destroy();
  }
  await new Promise<void>(resolve => {
    stdout.write('', () => resolve());
  });
  socket.destroy();
}

export const catVerb: Verb = {
  name: 'cat',
  operands: '<domain> <service|port>',
  summary: 'connect standard input and output to a service',
  details:
    'The end of standard input is passed on as a half-close; cat exits when the service closes: 0 when it\n' +
    'ended in order, 1 when it cannot be reached, or when the stream was refused, reset or lost: the\n' +
    'reason, as reported by the daemon, is on standard error. Access to the service is all it needs.\n' +
    'For ssh: ProxyCommand xsock cat %h ssh',
  arity: [2, 2],
  json: false,
  async execute({ operands: [domain = '', service = ''], run }) {
    const path = serviceSocketPath(run, domain, service);
    const opened = monotonicNow();
    const socket = await connect(path);
    let broken: NodeJS.ErrnoException | undefined;
    try {
      await exchange(socket);
    } catch (error) {
      broken = error as NodeJS.ErrnoException;
    }
    const why = await whyCut(run, opened);
    if (why !== undefined) {
      throw new XsockError('STREAM_CUT', `the stream to '${path}' was cut: ${why}`, {
        subject: path,
        cause: broken,
      });
    }
    if (broken !== undefined) throw failure(path, 'the connection broke:', broken);
    return 0;
  },
};
