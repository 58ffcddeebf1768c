/**
 * Bounds on the structure of a JSON text, looked at before it is parsed: the parser takes as long for four megabytes of `[` or of tiny objects as for a
 * thousand times as much text, and everybody else waits for it.
 */

/** Levels of arrays and objects. The deepest that any route takes is metadata in bulk: three and METADATA_DEPTH_MAX. */
const DEPTH_MAX = 32;
/**
 * Brackets that open, colons and commas, outside of texts: what the parser's time goes by. 500 keys with 100 scopes each have some 60,000. The dearest ones,
 * objects that each have a member of another name, take the parser 40 ms.
 */
const MARKS_MAX = 2 ** 16;
/** Texts up to here are parsed within few milliseconds whatever is in them. */
const LENGTH_UNCHECKED = 16 * 1024;

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** What is too much about the text, null when nothing is. Says nothing about the syntax. */
export function breachOf(text: string): string | null {
  if (text.length <= LENGTH_UNCHECKED) return null;
  let depth = 0;
  let marks = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = endOfString(text, i);
        break;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        depth += 1;
        marks += 1;
        if (depth > DEPTH_MAX) return `must nest at most ${DEPTH_MAX} deep`;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COLON:
      case COMMA:
        marks += 1;
        break;
    }
    if (marks > MARKS_MAX) return `must have at most ${MARKS_MAX} brackets, colons and commas outside of texts`;
  }
  return null;
}

/** Where the string that opens at `start` closes; the end of the text when it does not. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
    // Backslashes in pairs stand for themselves; the last of an odd number escapes the quote.
    if ((end - first) % 2 === 0) return end;
  }
  return text.length;
}
