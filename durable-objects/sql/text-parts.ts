/** Long texts that take several rows. */

/** Characters per row. A row holds at most 2 MB, and a character may take three bytes. */
const PART_CHARACTERS = 500_000;

/**
 * Splits a text into parts that fit into a row each. No part ends within a surrogate pair, because storage would
 * replace each half.
 */
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
