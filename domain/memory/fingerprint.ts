/**
 * Fingerprints of secrets: a universal hash (Carter and Wegman, "Universal Classes of Hash Functions", 1979) under a
 * random key that never leaves this isolate. A secret is compared by its fingerprint, so none has to be kept. The
 * time of a comparison reveals nothing, since nobody outside knows the numbers that are compared.
 *
 * For any two different texts the probability of the same fingerprint is at most 2^-104 over the choice of the key.
 * In each of four lanes, every character is multiplied by a random 32-bit factor, and the products are summed modulo
 * 2^32. Where two texts differ, their characters differ by less than 128 = 2^7; so a lane agrees for at most 2^6 of
 * the 2^32 values of that factor, a probability of 2^-26. A cryptographic hash would do as well but costs several
 * times as much: the platform's is asynchronous, and those in JavaScript allocate memory.
 *
 * For texts of any characters, UTF-16 units that differ by less than 2^16, a lane agrees with a probability of 2^-17,
 * and all four with 2^-68. Nobody can try more than one text with one request, so that is enough too.
 */

/** The length of the text and the sums of the lanes. */
export type Fingerprint = {
  readonly length: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
};

const LANES = 4;
const ASCII_MAX = 127;
/** For texts of any characters. */
export const ANY_CHARACTER_MAX = 0xffff;

/** Makes fingerprints under its own random key: those of two fingerprinters cannot be compared. */
export class Fingerprinter {
  readonly #lengthMax: number;
  readonly #characterMax: number;
  /** The factors of the four lanes for the first character, then for the second, and so on. */
  readonly #factors: Int32Array;

  /**
   * For texts of at most `lengthMax` ASCII characters, or of any up to `characterMax`. Draws random bytes, which the
   * platform refuses in global scope.
   */
  constructor(lengthMax: number, characterMax: number = ASCII_MAX) {
    this.#lengthMax = lengthMax;
    this.#characterMax = characterMax;
    this.#factors = crypto.getRandomValues(new Int32Array(lengthMax * LANES));
  }

  /** The fingerprint of a text, null when it is too long or has other characters. */
  of(text: string): Fingerprint | null {
    const { length } = text;
    if (length > this.#lengthMax) return null;
    const factors = this.#factors;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let seen = 0;
    for (let i = 0, at = 0; i < length; i++, at += LANES) {
      const character = text.charCodeAt(i);
      seen |= character;
      a = (a + Math.imul(character, factors[at] ?? 0)) | 0;
      b = (b + Math.imul(character, factors[at + 1] ?? 0)) | 0;
      c = (c + Math.imul(character, factors[at + 2] ?? 0)) | 0;
      d = (d + Math.imul(character, factors[at + 3] ?? 0)) | 0;
    }
    return seen > this.#characterMax ? null : { length, a, b, c, d };
  }
}

/** Whether two fingerprints of the same fingerprinter are equal. */
export function sameFingerprint(one: Fingerprint, other: Fingerprint): boolean {
  const { length, a, b, c, d } = other;
  return ((one.length ^ length) | (one.a ^ a) | (one.b ^ b) | (one.c ^ c) | (one.d ^ d)) === 0;
}
