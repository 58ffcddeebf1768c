/**
 * Bounds on the structure of a JSON text, checked before it is parsed. For four megabytes of `[` or of tiny objects the
 * parser takes as long as for a thousand times as much plain text, and all other requests wait for it.
 */

/**
 * Levels of arrays and objects. The deepest valid body is a bulk creation: three, and METADATA_DEPTH_MAX of metadata.
 */
const DEPTH_MAX = 32;
/**
 * Opening brackets, colons and commas outside of strings: the parser's time depends on their number. 500 keys with 100
 * scopes each have some 60,000. The most expensive ones, objects that each have a member of another name, take 40 ms.
 */
const MARKS_MAX = 2 ** 16;
const TOO_DEEP = `must nest at most ${DEPTH_MAX} deep`;
const TOO_MANY_MARKS = `must have at most ${MARKS_MAX} brackets, colons and commas outside of texts`;
/** Characters that are checked in one turn of the event loop. */
const PART_LENGTH = 2 ** 19;

/** The meaning of a character, by its code; 0 for none, which the loop tests first since most characters have none. */
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

/** Checks the structure of one text, in parts that are short enough for one turn each. Does not check the syntax. */
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

  /** Checks the next `PART_LENGTH` characters. Returns which bound the text exceeds, null while it exceeds none. */
  next(): string | null {
    const text = this.#text;
    const end = Math.min(text.length, this.#at + PART_LENGTH);
    let [at, depth, marks, inString] = [this.#at, this.#depth, this.#marks, this.#inString];
    for (; at < end; at++) {
      const unit = text.charCodeAt(at);
      const kind = unit < 128 ? KINDS[unit] : 0;
      if (kind === 0) continue;
      if (kind === BACKSLASH) {
        // The escaped character does not end the string. Outside of strings a backslash is a syntax error anyway.
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
