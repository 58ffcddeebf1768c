/** Text from elsewhere on a terminal: without control characters, and with its width in columns. */

/**
 * Control characters, line and paragraph separators, and marks that reorder or hide text. A name with them could
 * rewrite the screen, or look like another one.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Cs}/gu;

const escaped = (character: string) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;

/** The text with every unsafe character written as `\u001b`, so that it stays on its line and is seen. */
export const printable = (text: string): string => text.replace(UNSAFE, escaped);

/** JSON on one line (or several, with `space`) that is safe on a terminal too: the same escapes are JSON's own. */
export function jsonText(value: unknown, space?: number): string {
  // Line breaks and spaces between values are all that JSON.stringify writes outside of strings.
  return (JSON.stringify(value, null, space) ?? 'null').replace(UNSAFE, (character) =>
    character === '\n' ? character : escaped(character),
  );
}

/** Scripts and symbols that take two columns. */
const WIDE = new RegExp(
  '[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff\\ufe30-\\ufe6f' +
    '\\uff00-\\uff60\\uffe0-\\uffe6\\u{20000}-\\u{3fffd}]|\\p{Emoji_Presentation}',
  'u',
);
const ZERO = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** How many columns a printable text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += ZERO.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** The text with spaces up to the width. */
export const padded = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** The text, cut with `…` where it is wider. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let short = '';
  for (const character of text) {
    if (widthOf(short + character) >= width) break;
    short += character;
  }
  return `${short}…`;
}
