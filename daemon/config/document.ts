/**
 * The text of one configuration file as located values. Reports all that is wrong with the YAML itself:
 * syntax, keys given twice, keys that are not text, tags, aliases that lead nowhere or multiply.
 */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  parseDocument,
} from 'yaml';
import { escapeForDisplay } from '../text/escape.js';
import {
  DOCUMENT_PATH,
  describe,
  keyPath,
  type Located,
  type LocatedEntry,
  type LocatedMap,
  type Place,
} from './located.js';
import type { ConfigProblem } from './problems.js';

export interface ConfigFile {
  /** Its path as shown in problems. */
  readonly path: string;
  readonly text: string;
}

/** Depth of collections in collections; ours needs 5. The library recurses, and near the end of the stack V8 aborts. */
const NESTING_MAX = 64;
/** Values in one file after its aliases are replaced by what they stand for. */
const VALUES_MAX = 100_000;

/** What to write to configure nothing. */
const SOMETHING = 'settings: "exports: []" says that there are none';

/** The file's mapping, as far as it could be read; `problems` says what could not. */
export function readDocument(file: ConfigFile, problems: ConfigProblem[]): LocatedMap {
  const lines = new LineCounter();
  const whole: Place = { file: file.path, line: 1, column: 1, path: DOCUMENT_PATH };
  const empty: LocatedMap = { kind: 'map', entries: new Map(), place: whole };
  const report = (offset: number, found: string, expected: string) => {
    problems.push({ ...placeAt(file.path, lines, offset, DOCUMENT_PATH), found, expected });
  };

  const tooDeep = nestingFault(file.text, lines);
  if (tooDeep !== undefined) {
    report(tooDeep, `more than ${NESTING_MAX} levels of nesting`, 'a few levels at most');
    return empty;
  }
  const replaced = file.text.indexOf('\ufffd');
  if (replaced >= 0) {
    report(replaced, 'bytes that are not UTF-8', 'UTF-8 text');
    return empty;
  }
  const document = parseDocument(file.text, {
    // Given, so that a %YAML directive cannot turn 0660 into octal or `no` into false.
    schema: 'core',
    resolveKnownTags: false,
    // Found below, where the first place is known as well.
    uniqueKeys: false,
    prettyErrors: false,
  });
  for (const { code, pos, message } of [...document.errors, ...document.warnings]) {
    if (code === 'MULTIPLE_DOCS') report(pos[0], 'a second document', 'one document in a file');
    else report(pos[0], `text that is not YAML (${escapeForDisplay(message)})`, 'valid YAML');
  }
  // A file that is being written is empty, too: an empty file must not mean "no exports".
  const reportEmpty = () =>
    report(0, file.text.trim() === '' ? 'an empty file' : 'no setting', SOMETHING);
  if (document.contents === null) {
    if (document.errors.length === 0) reportEmpty();
    return empty;
  }
  const root = new Walk(file.path, lines, problems).value(document.contents, whole);
  if (root === undefined) return empty;
  if (root.kind === 'map') return root;
  if (root.kind === 'scalar' && root.value === null) {
    reportEmpty();
    return empty;
  }
  report(document.contents.range[0], describe(root), 'a mapping of settings');
  return empty;
}

function placeAt(file: string, lines: LineCounter, offset: number, path: string): Place {
  const { line, col } = lines.linePos(offset);
  return { file, line, column: col, path };
}

/** The offset at which nesting goes too deep; fills `lines` on the way. The parser does not recurse. */
function nestingFault(text: string, lines: LineCounter): number | undefined {
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme)) {
      // Only the nesting depth of the parser matters here, not whole tokens.
    }
    if (parser.stack.length > NESTING_MAX) return parser.offset;
  }
  return undefined;
}

/** One pass over the nodes of a document, replacing aliases by what they stand for. */
class Walk {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #problems: ConfigProblem[];
  /** Nodes that are complete: an alias inside its own anchor finds nothing. */
  readonly #anchors = new Map<string, Node>();
  #values = 0;
  #depth = 0;
  /** Set once the document is too large: reported once, not thousands of times. */
  #stopped = false;

  constructor(file: string, lines: LineCounter, problems: ConfigProblem[]) {
    this.#file = file;
    this.#lines = lines;
    this.#problems = problems;
  }

  /** Undefined for a node that was reported. `parent` is the place if the node has none of its own. */
  value(node: Node, parent: Place): Located | undefined {
    this.#values += 1;
    this.#depth += 1;
    try {
      if (this.#stopped) return undefined;
      if (this.#values > VALUES_MAX) return this.#stop(parent, `${VALUES_MAX} values`);
      if (this.#depth > NESTING_MAX) return this.#stop(parent, `${NESTING_MAX} levels of nesting`);
      if (isAlias(node)) return this.#alias(node, parent);
      const located = this.#content(node, this.#placeOf(node, parent));
      if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
      return located;
    } finally {
      this.#depth -= 1;
    }
  }

  #stop(place: Place, found: string): undefined {
    this.#stopped = true;
    this.#report(place, `more than ${found}, with aliases replaced`, 'fewer');
  }

  #content(node: Node, place: Place): Located | undefined {
    if (isMap(node)) return { kind: 'map', entries: this.#entries(node.items, place), place };
    if (isSeq(node)) {
      const items = node.items.map((item, index) =>
        this.value(item as Node, { ...place, path: `${place.path}[${index}]` }),
      );
      return { kind: 'list', items: items.filter(item => item !== undefined), place };
    }
    if (!isScalar(node)) return undefined;
    const { value } = node;
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      return {
        kind: 'scalar',
        value: value as string | number | boolean | null,
        text: node.source ?? '',
        place,
      };
    }
    this.#report(place, `a ${typeof value}`, 'a text, a number or a collection');
    return undefined;
  }

  #entries(pairs: readonly Pair[], place: Place): Map<string, LocatedEntry> {
    const entries = new Map<string, LocatedEntry>();
    for (const pair of pairs) {
      const keyNode = pair.key as Node;
      const at = this.#placeOf(keyNode, place);
      if (!isScalar(keyNode) || typeof keyNode.value !== 'string') {
        const found = isScalar(keyNode)
          ? `${escapeForDisplay(String(keyNode.value))} as a key`
          : 'a key that is not a text';
        this.#report(at, found, 'the name of a setting');
        continue;
      }
      const key: Place = { ...at, path: keyPath(place.path, keyNode.value) };
      const first = entries.get(keyNode.value);
      if (first !== undefined) {
        const where = `${first.key.line}:${first.key.column}`;
        this.#report(key, `the key again (first at ${where})`, 'each key once');
        continue;
      }
      const value =
        pair.value === null
          ? ({ kind: 'scalar', value: null, text: '', place: key } as const)
          : this.value(pair.value as Node, key);
      if (value !== undefined) entries.set(keyNode.value, { key, value });
    }
    return entries;
  }

  #alias(alias: Alias, parent: Place): Located | undefined {
    const place = this.#placeOf(alias, parent);
    const target = this.#anchors.get(alias.source);
    if (target !== undefined) return this.#content(target, place);
    const name = escapeForDisplay(alias.source);
    this.#report(place, `the alias *${name}`, `an anchor &${name} before it`);
    return undefined;
  }

  /** An empty value has no text of its own: its key is what a reader looks for. */
  #placeOf(node: Node, parent: Place): Place {
    if (isScalar(node) && node.value === null && !node.source) return parent;
    return node.range ? placeAt(this.#file, this.#lines, node.range[0], parent.path) : parent;
  }

  #report(place: Place, found: string, expected: string): void {
    this.#problems.push({ ...place, found, expected });
  }
}
