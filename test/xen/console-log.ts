/** The console of the machine: kept whole in a file, with seconds since the start, and watched for failures. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export class ConsoleLog {
  readonly #file: WriteStream;
  readonly #begin = performance.now();
  readonly #last: string[] = [];

  constructor(path: string, source: Readable) {
    this.#file = createWriteStream(path);
    createInterface({ input: source }).on('line', line => this.#add(line.replace(/\r$/, '')));
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
