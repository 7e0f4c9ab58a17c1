/**
 * The type declarations of a TypeScript file, expanded: every name that the file declares is replaced by what
 * it stands for, so that what remains is one text in the form that the addon's describe() writes.
 */

/** Where a declaration's type ends: at `;` for an alias, at the brace for an interface. */
function declarations(source: string): ReadonlyMap<string, string> {
  const text = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  const found = new Map<string, string>();
  for (const match of text.matchAll(/^(?:export )?(?:interface (\w+) |type (\w+) =)/gm)) {
    const from = match.index + match[0].length;
    let depth = 0;
    let to = from;
    for (; to < text.length; to += 1) {
      const char = text[to];
      if (char === '{') depth += 1;
      if (char === '}' && --depth === 0 && match[1] !== undefined) break;
      if (char === ';' && depth === 0) break;
    }
    const end = match[1] === undefined ? to : to + 1;
    found.set(match[1] ?? match[2] ?? '', text.slice(from, end));
  }
  return found;
}

/** One form for what may be written in several. */
export function normalized(type: string): string {
  return type
    .replace(/\breadonly /g, '')
    .replace(/\s+/g, ' ')
    .replace(/([(:=]) \|/g, '$1')
    .replace(/^ ?\|/, '')
    .replace(/;? }/g, ' }')
    .replace(/,? \)/g, ')')
    .replace(/\( /g, '(')
    .trim();
}

/** `ids` declares the branded numbers, which are numbers at run time. */
export function expandedTypes(
  source: string,
  ids: string,
): { readonly of: (name: string) => string } {
  const declared = declarations(source);
  const branded = new Set(
    [...ids.matchAll(/^export type (\w+) = Branded</gm)].map(([, name]) => name),
  );
  const expand = (type: string): string =>
    normalized(type).replace(/'[^']*'|\b([A-Z]\w*)(\[\])?/g, (whole, name?: string, list = '') => {
      if (name === undefined) return whole;
      if (branded.has(name)) return list === '' ? 'number' : '(number)[]';
      const body = declared.get(name);
      if (body === undefined) return whole;
      return list === '' ? expand(body) : `(${expand(body)})[]`;
    });
  return {
    of: name => {
      const body = declared.get(name);
      if (body === undefined) throw new Error(`no type ${name}`);
      return expand(body);
    },
  };
}
