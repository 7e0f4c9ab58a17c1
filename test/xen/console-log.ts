/** The console of the machine: kept whole in a file, with seconds since the start, and watched for failures. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export class ConsoleLog {
  readonly #file: WriteStream;
  readonly #begin = performance.now();
  readonly #last: string[] = [];

  constructor(path: string, sources: readonly Readable[]) {
    this.#file = createWriteStream(path);
    this.#file.on('error', error => this.#last.push(`the console is not kept: ${error.message}`));
    for (const input of sources) {
      const lines = createInterface({ input });
      lines.on('line', line => this.#add(line.replace(/\r$/, '')));
      lines.on('error', error => this.#add(`the console ends: ${String(error)}`));
    }
  }

  #add(line: string): void {
    const seconds = ((performance.now() - this.#begin) / 1000).toFixed(2).padStart(7);
    this.#file.write(`${seconds} ${line}\n`);
    this.#last.push(line);
    if (this.#last.length > 400) this.#last.shift();
  }

  /** The latest lines, for a test that failed. */
  tail(): string {
    return this.#last.join('\n');
  }
}
