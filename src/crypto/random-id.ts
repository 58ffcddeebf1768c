/** Ids that the Worker makes up. They are no secrets. */
import { encodeBase62, encodeNumber } from './base62.ts';

/** Ids of a block share their random digits and differ in the last two: drawing random bytes for each costs more than all else. */
const BLOCK = 62 ** 2;
let block = '';
let used = BLOCK;

/** `prefix_` and 17 base62 digits, never the same twice: two blocks are alike once in 2^44. */
export function randomId(prefix: string): string {
  if (used === BLOCK) {
    block = encodeBase62(crypto.getRandomValues(new Uint8Array(12)), 17).slice(2);
    used = 0;
  }
  return `${prefix}_${block}${encodeNumber(used++, 2)}`;
}
