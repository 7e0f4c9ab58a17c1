/** How text that others chose is shown: in logs, errors and on terminals. Pure. */

/**
 * Makes untrusted text safe for a log, a label or a terminal: printable ASCII only, with control
 * characters (and so terminal escape sequences), other scripts, backslashes and quotes written as
 * escapes. At most `limit` (3 or more) characters long; what was cut off shows as `...`.
 */
export function escapeForDisplay(text: string, limit = 128): string {
  let shown = '';
  /** The longest prefix that leaves space for the dots; whole escapes only, since half of one misleads. */
  let kept = '';
  for (const character of text) {
    shown += escapeCharacter(character);
    if (shown.length > limit) return `${kept}...`;
    if (shown.length + 3 <= limit) kept = shown;
  }
  return shown;
}

function escapeCharacter(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  if (character === '\\' || character === '"' || character === "'" || character === '`') {
    return `\\${character}`;
  }
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f) return character;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}
