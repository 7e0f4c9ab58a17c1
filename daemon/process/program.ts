/** What `xsockd` does: from the command line to a running daemon, and from its end to an exit code. */
import { formatWarning } from '../config/problems.js';
import { messageOf, XsockError } from '../errors.js';
import { readVersion } from '../version.js';
import { checkConfiguration } from './configuration.js';
import { EXIT_OK, exitCodeOf } from './exit-code.js';
import { parseDaemonOptions, USAGE } from './options.js';
import { onXen } from './surroundings.js';

const LAST_LINES_MS = 1000;

async function main(argv: readonly string[]): Promise<number> {
  const command = parseDaemonOptions(argv, {
    loopback: process.env.XSOCK_LOOPBACK,
    xen: onXen(),
  });
  switch (command.kind) {
    case 'help':
      process.stdout.write(`${USAGE}\n`);
      return EXIT_OK;
    case 'version':
      process.stdout.write(`xsockd ${readVersion()}\n`);
      return EXIT_OK;
    case 'check': {
      const overrides = { run: command.run, logLevel: undefined };
      const config = await checkConfiguration(command.config, overrides, undefined);
      for (const warning of config.warnings) {
        process.stderr.write(`${formatWarning(warning)}\n`);
      }
      process.stdout.write(`${command.config}: no problems\n`);
      return EXIT_OK;
    }
    case 'run': {
      // Loaded when needed: checking a configuration needs neither the addon nor a hypervisor.
      const { runDaemon } = await import('./run.js');
      const code = await runDaemon(command);
      // Log lines that nobody reads would keep the process alive: what is buffered gets a second, and no more.
      setTimeout(() => process.exit(), LAST_LINES_MS).unref();
      return code;
    }
  }
}

// The reader of that output is gone: there is nobody left to report to.
process.stderr.on('error', () => {});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const shown =
    error instanceof XsockError || !(error instanceof Error) ? messageOf(error) : error.stack;
  process.stderr.write(`xsockd: ${shown}\n`);
  process.exitCode = exitCodeOf(error);
}
