/** Ids of requests, commands and the like. They are unique but not secret: consecutive ones can be guessed. */
import { encodeBase62, encodeNumber } from '../../domain/key-string/base62.ts';

/**
 * Ids per block. They share random digits and differ in the last two: random bytes for each id
 * would be its main cost.
 */
const BLOCK = 62 ** 2;
let block = '';
let used = BLOCK;

/** `prefix_` and 17 base62 digits. A repetition is to be expected only after 2^44 blocks. */
export function randomId(prefix: string): string {
  if (used === BLOCK) {
    block = encodeBase62(crypto.getRandomValues(new Uint8Array(12)), 17).slice(2);
    used = 0;
  }
  return `${prefix}_${block}${encodeNumber(used++, 2)}`;
}
