/** `xsock loopback`: runs a loopback machine, creates and destroys domains in it. */
import { nearest } from '../config/nearest.js';
import { XsockError } from '../errors.js';
import { type DomId, parseDomId } from '../ids.js';
import { MachineClient } from '../loopback/client.js';
import { runLoopbackMachine } from '../loopback/run.js';
import { parseOptions as parseStrict } from '../process/parse-options.js';
import { escapeForDisplay } from '../text/escape.js';

const USAGE = `usage: xsock loopback run --dir DIR
       xsock loopback introduce --dir DIR --name NAME [--domid N] [--json]
       xsock loopback destroy --dir DIR DOMID
       xsock loopback list --dir DIR [--json]
       xsock loopback counts --dir DIR [--json]

A loopback machine plays Xen for the domains in DIR: a daemon of domain N is started with
'xsockd --hypervisor loopback --loopback DIR/domains/N'. DIR can also come from XSOCK_LOOPBACK_DIR.`;

interface Options {
  readonly dir: string;
  readonly name: string | undefined;
  readonly domid: DomId | undefined;
  readonly json: boolean;
  readonly operands: readonly string[];
}

function usage(message: string): XsockError {
  return new XsockError('USAGE', `${message}\n\n${USAGE}`);
}

function domidOf(text: string | undefined): DomId {
  const domid = text === undefined ? undefined : parseDomId(text);
  if (domid === undefined) {
    throw usage('a domid is a whole number from 0 to 32751');
  }
  return domid;
}

function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  const dir = values.dir ?? process.env.XSOCK_LOOPBACK_DIR;
  if (dir === undefined || dir === '') {
    throw usage('--dir is missing: the directory of the machine');
  }
  return {
    dir,
    name: values.name,
    domid: values.domid === undefined ? undefined : domidOf(values.domid),
    json: values.json ?? false,
    operands: positionals,
  };
}

function parse(args: readonly string[]) {
  const options = {
    dir: { type: 'string' },
    name: { type: 'string' },
    domid: { type: 'string' },
    json: { type: 'boolean' },
  } as const;
  const config = { args: [...args], allowPositionals: true, options } as const;
  return parseStrict(config, "'xsock loopback help' lists the options");
}

function print(rows: readonly object[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const keys = Object.keys(rows[0] ?? {});
  const lines = [keys, ...rows.map(row => Object.values(row).map(String))];
  const widths = keys.map((_, column) =>
    Math.max(...lines.map(line => (line[column] ?? '').length)),
  );
  for (const line of lines) {
    const cells = line.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
  }
}

async function introduce(options: Options): Promise<void> {
  if (options.name === undefined) {
    throw usage('--name is missing');
  }
  const info = await new MachineClient(options.dir).introduce({
    name: options.name,
    ...(options.domid === undefined ? {} : { domid: options.domid }),
  });
  print([info], options.json);
}

const VERBS: Readonly<Record<string, (options: Options) => Promise<void>>> = {
  run: options => runLoopbackMachine(options.dir),
  introduce,
  destroy: options => new MachineClient(options.dir).destroy(domidOf(options.operands[0])),
  list: async options => print(await new MachineClient(options.dir).list(), options.json),
  counts: async options => print(await new MachineClient(options.dir).counts(), options.json),
};

/** The command line after `xsock loopback`; the exit code. Throws XsockError. */
export async function runLoopbackCommand(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb === undefined || verb === 'help' || verb === '--help') {
    process.stdout.write(`${USAGE}\n`);
    return verb === undefined ? 2 : 0;
  }
  const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (run === undefined) {
    const meant = nearest(verb, Object.keys(VERBS));
    const hint =
      meant === undefined ? "'xsock loopback help' lists the verbs" : `did you mean '${meant}'?`;
    throw new XsockError(
      'USAGE',
      `there is no 'xsock loopback ${escapeForDisplay(verb)}': ${hint}`,
    );
  }
  await run(parseOptions(rest));
  return 0;
}
