/** The log: JSON lines for programs, plain lines for people, and nothing below its level. */
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { LogFormat } from '../../daemon/config/config.js';
import { createLogger } from '../../daemon/log.js';

function logged(format: LogFormat, isTTY: boolean): string {
  const destination = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY });
  const log = createLogger({ level: 'info', format, destination });
  log.debug('hidden');
  log.info({ peer: 5 }, 'link up');
  return String(destination.read());
}

t.test('JSON where nobody reads along', async t => {
  for (const text of [logged('auto', false), logged('json', true)]) {
    t.match(JSON.parse(text), { level: 30, peer: 5, msg: 'link up', time: /^\d{4}-.*Z$/ });
  }
});

t.test('words for people', async t => {
  for (const text of [logged('auto', true), logged('pretty', false)]) {
    t.match(text, /INFO/);
    t.match(text, /link up/);
    t.notMatch(text, /hidden/);
  }
});
