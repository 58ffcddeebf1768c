/**
 * `X-On-Behalf-Of`: for which person or program the caller acts, in the caller's own words. Kept in the audit entry, decides nothing.
 *
 * Header values are ASCII, names of people are not: the text comes percent-encoded (RFC 3986, of UTF-8), as `encodeURIComponent` writes it. Plain ASCII
 * without `%` stands for itself.
 */
import { validationFailed } from './problem.ts';

export const ON_BEHALF_OF_LENGTH_MAX = 200;
/** A UTF-16 unit takes up to three bytes of UTF-8, each of which takes three characters. */
const ENCODED_LENGTH_MAX = 9 * ON_BEHALF_OF_LENGTH_MAX;

/** What the header says, null without one. */
export function readOnBehalfOf(request: Request): string | null {
  const encoded = request.headers.get('X-On-Behalf-Of');
  if (encoded === null) return null;
  const text = encoded.length <= ENCODED_LENGTH_MAX && /^[\x20-\x7e]+$/.test(encoded) ? decode(encoded) : null;
  if (text === null || text.length > ON_BEHALF_OF_LENGTH_MAX || !isPrintable(text)) {
    throw validationFailed([
      {
        path: 'X-On-Behalf-Of',
        message: `must be 1 to ${ON_BEHALF_OF_LENGTH_MAX} printable characters, percent-encoded where they are not ASCII`,
      },
    ]);
  }
  return text;
}

function decode(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null;
  }
}

/** As for every line of text that the API takes (schemas/common.ts). */
function isPrintable(text: string): boolean {
  return text.trim() !== '' && !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(text);
}
