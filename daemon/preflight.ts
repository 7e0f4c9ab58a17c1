/**
 * The first lines that run, in both programs: check whether this Node can run the rest, and handle signals that must not do
 * what Node or the kernel does at their arrival. It imports nothing and is written so that an old Node can read it;
 * the rest is imported after a successful check.
 */

/** The `engines` of package.json, which npm only warns of. */
export const OLDEST_NODE = '20.11';

/** The part of `process` that the check uses. */
export interface Runtime {
  readonly versions: { readonly node: string };
  readonly execPath: string;
}

/** Why this Node cannot run `program`: one line; undefined if it can. */
export function refusal(program: string, runtime: Runtime): string | undefined {
  const [major = 0, minor = 0] = runtime.versions.node.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split('.').map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `${program} needs Node ${OLDEST_NODE} or newer, this is ${runtime.versions.node} (${runtime.execPath})`;
}

/**
 * SIGUSR1 would open Node's debugger on a port of 127.0.0.1, to every local user: in domain 0 that is all of
 * xenstore. SIGUSR2 would end the process. With a listener neither happens; the daemon adds one with a use.
 */
function disarmSignals(): void {
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => undefined);
}

/** False if the program must not go on: the reason is then on standard error, and the exit code set. */
export function preflight(program: string, exitCode: number): boolean {
  disarmSignals();
  const reason = refusal(program, process);
  if (reason === undefined) return true;
  process.stderr.write(`${reason}\n`);
  process.exitCode = exitCode;
  return false;
}
