/**
 * Fingerprints of secrets: a universal hash (Carter and Wegman, "Universal Classes of Hash Functions", 1979) under a random key that this isolate
 * alone has and never shows anything of. Two secrets are compared by their fingerprints without keeping either, and how long that takes tells
 * nothing, since nobody can know what the numbers compared are.
 *
 * Two different texts have the same fingerprint with a probability of at most 2^-104 over the choice of the key, whatever the texts: in each of four
 * lanes the characters are multiplied by random 32-bit factors and summed modulo 2^32, and where two texts differ, their characters do by less than
 * 128, so that at least 26 bits of the sum are up to a factor that nobody knows. A cryptographic digest would do as well but costs a multiple:
 * the platform's is asynchronous, and those in JavaScript allocate.
 */

/** The text's length and the sums of the lanes. */
export type Fingerprint = {
  readonly length: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
};

const LANES = 4;
const ASCII_MAX = 127;

export class Fingerprinter {
  readonly #lengthMax: number;
  /** The factors of the four lanes for the first character, for the second, and so on. */
  readonly #factors: Int32Array;

  /** For texts of up to `lengthMax` ASCII characters. Draws its key, so not to be called in global scope. */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
    this.#factors = crypto.getRandomValues(new Int32Array(lengthMax * LANES));
  }

  /** The fingerprint, null for a text that is too long or not ASCII. */
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
    return seen > ASCII_MAX ? null : { length, a, b, c, d };
  }
}

export function sameFingerprint(one: Fingerprint, other: Fingerprint): boolean {
  const { length, a, b, c, d } = other;
  return ((one.length ^ length) | (one.a ^ a) | (one.b ^ b) | (one.c ^ c) | (one.d ^ d)) === 0;
}
