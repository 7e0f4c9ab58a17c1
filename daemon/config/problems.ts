/** Problems of a configuration: each has a position, what was found and what was expected. */
import { XsockError } from '../errors.js';
import type { SourcePosition } from './position.js';

export interface ConfigProblem extends SourcePosition {
  /** Path of the key in its file, e.g. `exports[0].target`; `(document)` for the file as a whole. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
}

/** A legal setting that is probably a mistake, e.g. an import rule that never matches. */
export interface ConfigWarning extends SourcePosition {
  readonly path: string;
  readonly message: string;
}

/** `file:line`, for error messages and log lines. */
export function formatSource(source: SourcePosition): string {
  return `${source.file}:${source.line}`;
}

/** `file:line:column: path: found X, expected Y` */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, path, found, expected } = problem;
  return `${file}:${line}:${column}: ${path}: found ${found}, expected ${expected}`;
}

/** `file:line:column: path: warning: message` */
export function formatWarning(warning: ConfigWarning): string {
  const { file, line, column, path, message } = warning;
  return `${file}:${line}:${column}: ${path}: warning: ${message}`;
}

/** Problems in one message, which goes into log lines and answers. The list has all of them. */
const SHOWN_MAX = 200;

/** CONFIG_INVALID with the list of problems, for output as JSON. */
export class ConfigProblems extends XsockError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    const lines = problems.slice(0, SHOWN_MAX).map(problem => `\n${formatProblem(problem)}`);
    const others = problems.length - lines.length;
    const more = others > 0 ? `\n(and ${others} more: 'xsock check' lists all)` : '';
    super('CONFIG_INVALID', `${count} in the configuration:${lines.join('')}${more}`);
    this.name = 'ConfigProblems';
    this.problems = problems;
  }
}
