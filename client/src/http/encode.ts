/** A text as part of a URL or a header. Throws a `TypeError` for half of a surrogate pair, which no encoding has. */
export function encode(name: string, text: string): string {
  if (text.isWellFormed()) return encodeURIComponent(text);
  throw new TypeError(`keystead: ${name} is not well-formed Unicode`);
}
