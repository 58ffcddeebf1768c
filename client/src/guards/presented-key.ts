/**
 * The key that a request presents, read so strictly that only what may be a key is sent to Keystead: a header that
 * comes twice, lists, control characters and long texts are refused here.
 */

/** A header as frameworks give it: absent, one value, or several. */
export type HeaderValue = string | readonly string[] | null | undefined;

/** Where a key is looked for. `authorization` is read as a bearer token, any other header as the key itself. */
export const KEY_HEADERS: readonly string[] = ['authorization', 'x-api-key'];

/** Native keys have at most 117 characters, imported ones may have more. Node takes 16 KiB of headers in all. */
const KEY_LENGTH_MAX = 8192;

/** Visible ASCII. A comma would come from a header that was sent twice. */
const KEY = /^[!-+\--~]+$/;

/** RFC 9110, section 11.1: the scheme is compared without regard to case, and one or more spaces follow. */
const BEARER = /^bearer(?: +|$)/i;

export type PresentedKey =
  | { readonly key: string }
  | { readonly refused: 'MISSING_KEY' | 'MALFORMED' | 'AMBIGUOUS_KEY' };

/**
 * The key in these headers. Each of them that holds a key must be well-formed, and several must hold the same one. An
 * `Authorization` of another scheme than Bearer is not looked at.
 */
export function presentedKey(names: readonly string[], header: (name: string) => HeaderValue): PresentedKey {
  let found: string | undefined;
  for (const name of names) {
    const key = keyIn(name, header(name));
    if (key === null) continue;
    if (key.length > KEY_LENGTH_MAX || !KEY.test(key)) return { refused: 'MALFORMED' };
    if (found !== undefined && found !== key) return { refused: 'AMBIGUOUS_KEY' };
    found = key;
  }
  return found === undefined ? { refused: 'MISSING_KEY' } : { key: found };
}

/** What a header gives as the key, or null if it gives none. */
function keyIn(name: string, value: HeaderValue): string | null {
  const text = typeof value === 'string' ? value : (value ?? []).join(',');
  if (text === '') return null;
  if (name !== 'authorization') return text;
  const scheme = BEARER.exec(text);
  return scheme && text.slice(scheme[0].length);
}
