/** Long texts in several rows. */

/** Characters of one row: rows end at 2 MB, and a character may take three bytes. */
const PART_CHARACTERS = 500_000;

/** The text in parts that fit a row each. None ends within a surrogate pair, whose halves storage would replace. */
export function textParts(text: string): string[] {
  if (text.length <= PART_CHARACTERS) return [text];
  const parts: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + PART_CHARACTERS, text.length);
    if (end < text.length && isHighSurrogate(text.charCodeAt(end - 1))) end -= 1;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts;
}

const isHighSurrogate = (code: number) => code >= 0xd800 && code <= 0xdbff;
