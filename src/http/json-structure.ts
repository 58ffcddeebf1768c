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
const TOO_DEEP = `must nest at most ${DEPTH_MAX} deep`;
const TOO_MANY_MARKS = `must have at most ${MARKS_MAX} brackets, colons and commas outside of texts`;
/** Characters that are looked at in one turn. */
const PART = 2 ** 19;

/** What a character does to the count, by its code; 0, for nothing, comes first in the loop since most do nothing. */
const [OPENS, CLOSES, PARTS, QUOTE, BACKSLASH] = [1, 2, 3, 4, 5];
const KINDS = new Uint8Array(128);
for (const [characters, kind] of [
  ['[{', OPENS],
  [']}', CLOSES],
  [',:', PARTS],
  ['"', QUOTE],
  ['\\', BACKSLASH],
] as const) {
  for (const character of characters) KINDS[character.charCodeAt(0)] = kind;
}

/** A look at the structure of one text, in parts that are short enough for one turn each. Says nothing about the syntax. */
export class StructureCheck {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #marks = 0;
  #inString = false;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Goes on by `PART` characters, or to the end. What is too much about the text so far, null when nothing is. */
  next(): string | null {
    const text = this.#text;
    const end = Math.min(text.length, this.#at + PART);
    let [at, depth, marks, inString] = [this.#at, this.#depth, this.#marks, this.#inString];
    for (; at < end; at++) {
      const unit = text.charCodeAt(at);
      const kind = unit < 128 ? KINDS[unit] : 0;
      if (kind === 0) continue;
      if (kind === BACKSLASH) {
        // What it escapes is no end of a string. Outside of strings it is no JSON.
        at += 1;
      } else if (kind === QUOTE) {
        inString = !inString;
      } else if (!inString) {
        if (kind === CLOSES) depth -= 1;
        else marks += 1;
        if (kind === OPENS) depth += 1;
        if (depth > DEPTH_MAX) return TOO_DEEP;
        if (marks > MARKS_MAX) return TOO_MANY_MARKS;
      }
    }
    this.#at = at;
    this.#depth = depth;
    this.#marks = marks;
    this.#inString = inString;
    return null;
  }
}
