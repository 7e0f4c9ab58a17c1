/** The tests' end of the line to the agents: QEMU connects here for domain 0's agent. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type {
  Answer,
  OperationName,
  ParametersOf,
  ResultOf,
  RoutedCall,
} from './agent/protocol.js';

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class AgentConnection {
  /** Resolves when domain 0's agent answers. */
  readonly connected: Promise<unknown>;
  readonly #server: Server;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket | undefined;
  #isGone = false;
  #nextId = 1;

  private constructor(server: Server) {
    this.#server = server;
    // QEMU connects when it starts, long before the agent is there: what is asked now waits for it.
    this.connected = once(server, 'connection').then(([socket]: Socket[]) => {
      if (socket === undefined) throw new Error('no connection');
      this.#serve(socket);
      return this.ask(0, 'node', { path: '/local/domain/0/domid', deadline: 580_000 });
    });
    this.connected.catch(() => {});
  }

  static async listen(path: string): Promise<AgentConnection> {
    const server = createServer().listen(path);
    await once(server, 'listening');
    return new AgentConnection(server);
  }

  #serve(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#lost());
    const lines = createInterface({ input: socket });
    // It repeats the socket's error, which QEMU causes when it ends with bytes unread.
    lines.on('error', () => socket.destroy());
    lines.on('line', line => {
      const answer = JSON.parse(line) as Answer;
      const pending = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      if ('error' in answer) pending?.reject(new Error(answer.error));
      else pending?.resolve(answer.result);
    });
  }

  #lost(): void {
    this.#isGone = true;
    for (const { reject } of this.#pending.values()) reject(new Error('the machine is gone'));
    this.#pending.clear();
  }

  ask<Name extends OperationName>(
    to: number,
    operation: Name,
    parameters: ParametersOf<Name>,
  ): Promise<ResultOf<Name>> {
    if (this.#isGone) return Promise.reject(new Error('the machine is gone'));
    const call: RoutedCall = { to, id: this.#nextId++, operation, parameters };
    return new Promise<unknown>((resolve, reject) => {
      this.#pending.set(call.id, { resolve, reject });
      this.#socket?.write(`${JSON.stringify(call)}\n`);
    }) as Promise<ResultOf<Name>>;
  }

  close(): void {
    this.#lost();
    this.#socket?.destroy();
    this.#server.close();
  }
}
