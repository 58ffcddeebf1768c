/** Upper bounds of the memory that texts take in V8 with compressed pointers, as workerd and Cloudflare run it. */

/** What a text takes beside its characters: header, rounding, and the pointer to it. */
export const TEXT_BYTES = 24;

/** Bytes of each character: two for all of a text when one of its characters is beyond Latin-1. */
export function bytesPerCharacter(text: string): 1 | 2 {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return 2;
  return 1;
}

/** Bytes of a text of any characters. */
export function textBytes(text: string): number {
  return TEXT_BYTES + bytesPerCharacter(text) * text.length;
}

/** Bytes of a list of ASCII texts, such as scopes. */
export function asciiListBytes(texts: readonly string[]): number {
  let bytes = TEXT_BYTES;
  for (const { length } of texts) bytes += TEXT_BYTES + length;
  return bytes;
}
