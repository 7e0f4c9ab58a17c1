/** Where a setting stands, so that log lines and explanations can name it. */
export interface SourcePosition {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** The key there, e.g. `exports[0].target`, where it is known. */
  readonly path?: string;
}
