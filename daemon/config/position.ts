/** The position of a setting, for log lines and error messages. */
export interface SourcePosition {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** The key there, e.g. `exports[0].target`, where it is known. */
  readonly path?: string;
}
