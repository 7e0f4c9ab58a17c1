/**
 * Loads the configuration from its files: `xsock.yaml` and the `conf.d/*.yaml` beside it. Reading is separate from
 * parsing: `parseConfig` is pure, so that tests and `xsock check` need no file system.
 */
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf, XsockError } from '../errors.js';
import { buildConfig } from './build.js';
import type { Config } from './config.js';
import { type ConfigFile, readDocument } from './document.js';
import { mergeDocuments } from './merge.js';
import { type ConfigProblem, ConfigProblems } from './problems.js';
import { Report } from './report.js';
import { compileSchema, type SchemaCheck } from './schema.js';

/** The default path. */
export const DEFAULT_CONFIG_PATH = '/etc/xsock/xsock.yaml';

/** Bytes of one file, and of all together: reading YAML is slow, and nothing else happens meanwhile. */
const FILE_MAX = 1024 * 1024;
const TOTAL_MAX = 2 * FILE_MAX;

/**
 * Reads and checks a configuration. Throws `FILE_ACCESS` if a file is missing, unreadable, not a regular
 * file or too large, alone or together (a missing `conf.d` is fine), and ConfigProblems (`CONFIG_INVALID`) for its content.
 */
export async function loadConfig(path: string): Promise<Config> {
  const main = await readConfigFile(path);
  const folder = join(dirname(path), 'conf.d');
  const others: ConfigFile[] = [];
  let total = Buffer.byteLength(main.text);
  for (const name of await dropInNames(folder)) {
    const file = await readConfigFile(join(folder, name));
    total += Buffer.byteLength(file.text);
    if (total > TOTAL_MAX) {
      throw accessError(file.path, `the files up to it have over ${TOTAL_MAX} bytes`);
    }
    others.push(file);
  }
  return parseConfig([main, ...others]);
}

/** The configuration in these files, the main one first. Throws ConfigProblems that lists all problems. */
export function parseConfig(files: readonly [ConfigFile, ...ConfigFile[]]): Config {
  const found: ConfigProblem[] = [];
  const [first, ...others] = files;
  const root = mergeDocuments(
    [readDocument(first, found), ...others.map(file => readDocument(file, found))],
    found,
  );
  const { problems, refused } = checkSchema(root);
  const report = new Report([...found, ...problems], refused);
  const config = buildConfig(root, report);
  if (report.problems.length > 0) {
    throw new ConfigProblems(
      inOrder(
        report.problems,
        files.map(file => file.path),
      ),
    );
  }
  return config;
}

/** Compiled on first use: most verbs of the command line never need it. */
let compiled: SchemaCheck | undefined;

function checkSchema(...parameters: Parameters<SchemaCheck>): ReturnType<SchemaCheck> {
  compiled ??= compileSchema();
  return compiled(...parameters);
}

/** Sorted by file, then by position. */
function inOrder(
  problems: readonly ConfigProblem[],
  files: readonly string[],
): readonly ConfigProblem[] {
  return problems.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

/** As a shell would expand `*.yaml`: without hidden files, sorted by name. */
async function dropInNames(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    return names.filter(name => name.endsWith('.yaml') && !name.startsWith('.')).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw accessError(folder, messageOf(error), error);
  }
}

async function readConfigFile(path: string): Promise<ConfigFile> {
  try {
    // Non-blocking, in case it is a pipe without a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      if (!status.isFile()) throw accessError(path, 'it is not a regular file');
      if (status.size >= FILE_MAX) throw accessError(path, `it is not under ${FILE_MAX} bytes`);
      return { path, text: await file.readFile('utf8') };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof XsockError ? error : accessError(path, messageOf(error), error);
  }
}

function accessError(path: string, why: string, cause?: unknown): XsockError {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code;
  return new XsockError('FILE_ACCESS', `cannot read the configuration ${path}: ${why}`, {
    subject: path,
    ...(cause === undefined ? {} : { cause }),
    ...(errno === undefined ? {} : { errno }),
  });
}
