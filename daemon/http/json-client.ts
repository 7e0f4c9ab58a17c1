/** The other side of json-server.ts: one request, one parsed answer. */
import { request as httpRequest } from 'node:http';
import { messageOf, XsockError } from '../errors.js';

/** A control socket answers quickly; a process that does not is stuck. */
const TIMEOUT_MS = 30_000;

export interface JsonCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function exchange(socketPath: string, call: JsonCall): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const request = httpRequest(
      {
        socketPath,
        method: call.method,
        path: call.path,
        timeout: TIMEOUT_MS,
        // Node's shared agent would hold the connection for seconds, and with it a descriptor of the server.
        agent: false,
        headers:
          body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    request.once('timeout', () => request.destroy(new Error('no answer within 30 s')));
    request.once('error', reject);
    request.end(body);
  });
}

function refusalOf(value: unknown, status: number): string {
  if (typeof value === 'object' && value !== null && 'message' in value) {
    return String(value.message);
  }
  return `it answered with HTTP status ${status}`;
}

/**
 * Throws `DAEMON_UNREACHABLE` if nobody answers at `socketPath` (`remedy` says what to check), and
 * `CONTROL_REFUSED` with the server's message if it refuses. The shape of the answer is the
 * server's responsibility: both ends are of the same build.
 */
export async function requestJson(
  socketPath: string,
  call: JsonCall,
  remedy: string,
): Promise<unknown> {
  let answer: Answer;
  try {
    answer = await exchange(socketPath, call);
  } catch (error) {
    throw new XsockError(
      'DAEMON_UNREACHABLE',
      `nobody answers at '${socketPath}' (${messageOf(error)}): ${remedy}`,
      { subject: socketPath, cause: error },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(answer.text);
  } catch (error) {
    throw new XsockError(
      'DAEMON_UNREACHABLE',
      `what answers at '${socketPath}' does not speak xsock's control protocol`,
      { subject: socketPath, cause: error },
    );
  }
  if (answer.status !== 200) {
    throw new XsockError('CONTROL_REFUSED', refusalOf(value, answer.status), {
      subject: call.path,
    });
  }
  return value;
}
