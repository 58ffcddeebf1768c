/**
 * `X-On-Behalf-Of`: the person or program for whom the caller acts, in the caller's own words. The audit entry
 * records it; no decision depends on it.
 *
 * Header values are ASCII, but names of people are not. So the text is percent-encoded UTF-8 (RFC 3986), as
 * `encodeURIComponent` writes it. Plain ASCII without `%` stands for itself.
 */
import * as v from 'valibot';
import { line } from './line.ts';
import { validationFailed } from './problem.ts';

const LENGTH_MAX = 200;
/** A UTF-16 unit takes at most three bytes of UTF-8, and each byte takes three characters. */
const ENCODED_LENGTH_MAX = 9 * LENGTH_MAX;

export const onBehalfOf = line(LENGTH_MAX);

/** The decoded header, null without one. */
export function readOnBehalfOf(request: Request): string | null {
  const encoded = request.headers.get('X-On-Behalf-Of');
  if (encoded === null) return null;
  const text = encoded.length <= ENCODED_LENGTH_MAX && /^[\x20-\x7e]+$/.test(encoded) ? decode(encoded) : null;
  if (text === null || !v.is(onBehalfOf, text)) {
    throw validationFailed([
      {
        path: 'X-On-Behalf-Of',
        message: `must be 1 to ${LENGTH_MAX} printable characters, percent-encoded where they are not ASCII`,
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
