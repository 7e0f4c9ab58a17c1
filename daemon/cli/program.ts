/** What `xsock` does: from the command line to a verb, and from errors to exit codes. */
import { isXsockError, messageOf } from '../errors.js';
import { parseCommandLine } from './arguments.js';
import { overview, verbHelp } from './help.js';
import { print, printable } from './output.js';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

async function main(argv: readonly string[]): Promise<number> {
  const command = parseCommandLine(argv, process.env.XSOCK_RUN);
  switch (command.kind) {
    case 'help':
      print(command.verb === undefined ? overview() : verbHelp(command.verb));
      return 0;
    case 'loopback': {
      // Loaded when needed: the other verbs run without the addon, and start sooner.
      const { runLoopbackCommand } = await import('./loopback.js');
      return runLoopbackCommand(command.argv);
    }
    case 'verb':
      return command.verb.execute(command.invocation);
  }
}

// The reader closed our output early: that is not an error (`xsock ls | head -1`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILURE);
});

process.stderr.on('error', () => process.exit(EXIT_FAILURE));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`xsock: ${printable(messageOf(error))}\n`);
  if (!isXsockError(error) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = isXsockError(error, 'USAGE') ? EXIT_USAGE : EXIT_FAILURE;
}
