import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase62, decodeNumber, encodeBase62, encodeNumber } from '../../domain/key-string/base62.ts';

/**
 * Sizes that the program uses: key ids, locators, key strings. `digits` is the least number of digits for every value.
 */
const SIZES = [
  { bytes: 12, digits: 17 },
  { bytes: 16, digits: 22 },
  { bytes: 64, digits: 86 },
] as const;

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const textOf = (length: number) =>
  fc.string({ unit: fc.constantFrom(...DIGITS), minLength: length, maxLength: length });

/** Computes the same number in a different way. */
function bigintOf(bytes: Uint8Array): bigint {
  return bytes.reduce((number, byte) => number * 256n + BigInt(byte), 0n);
}
function bigintOfText(text: string): bigint {
  return [...text].reduce((number, digit) => number * 62n + BigInt(DIGITS.indexOf(digit)), 0n);
}

describe.each(SIZES)('base62 of $bytes bytes', ({ bytes: length, digits }) => {
  it('writes the bytes as one big-endian number, padded to a fixed length', () => {
    fc.assert(
      fc.property(bytesOf(length), (bytes) => {
        const text = encodeBase62(bytes, digits);
        expect(text).toHaveLength(digits);
        expect(bigintOfText(text)).toBe(bigintOf(bytes));
      }),
    );
  });

  it('decodes what it encoded', () => {
    fc.assert(
      fc.property(bytesOf(length), (bytes) => {
        expect(decodeBase62(encodeBase62(bytes, digits), length)).toEqual(bytes);
      }),
    );
  });

  it('decodes only the one canonical text of the bytes', () => {
    fc.assert(
      fc.property(textOf(digits), (text) => {
        const fits = bigintOfText(text) < 256n ** BigInt(length);
        const bytes = decodeBase62(text, length);
        expect(bytes === null ? null : encodeBase62(bytes, digits)).toBe(fits ? text : null);
      }),
    );
  });

  it('decodes the largest number and refuses the next', () => {
    const largest = encodeBase62(new Uint8Array(length).fill(255), digits);
    expect(decodeBase62(largest, length)).toEqual(new Uint8Array(length).fill(255));
    const last = DIGITS.indexOf(largest.slice(-1));
    // 256^n is never 0 modulo 62, so the last digit has a successor.
    expect(decodeBase62(largest.slice(0, -1) + DIGITS.charAt(last + 1), length)).toBeNull();
    expect(decodeBase62('z'.repeat(digits), length)).toBeNull();
  });

  it('sorts texts in the order of their bytes', () => {
    const order = <T>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0);
    fc.assert(
      fc.property(bytesOf(length), bytesOf(length), (a, b) => {
        expect(order(encodeBase62(a, digits), encodeBase62(b, digits))).toBe(order(bigintOf(a), bigintOf(b)));
      }),
    );
  });

  it('refuses every character that is not a digit, at every position', () => {
    const text = encodeBase62(new Uint8Array(length).fill(0x5a), digits);
    for (let at = 0; at < digits; at++) {
      for (const foreign of ['-', '_', '+', '/', '=', ' ', '\n', '\0', ':', '@', '[', '`', '{', 'é', '０', 'İ']) {
        expect(decodeBase62(text.slice(0, at) + foreign + text.slice(at + 1), length)).toBeNull();
      }
    }
  });
});

describe('a number in base62', () => {
  it('is decoded to the number that was encoded', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (number) => {
        const text = encodeNumber(number, 6);
        expect(text).toHaveLength(6);
        expect(decodeNumber(text, 0, 6)).toBe(number);
      }),
    );
  });

  it('has known texts', () => {
    expect([0, 9, 10, 35, 36, 61, 62, 2 ** 32 - 1].map((number) => encodeNumber(number, 6))).toEqual([
      '000000',
      '000009',
      '00000A',
      '00000Z',
      '00000a',
      '00000z',
      '000010',
      '4gfFC3',
    ]);
  });

  it('is -1 when a character is not a digit', () => {
    expect(decodeNumber('00_000', 0, 6)).toBe(-1);
    expect(decodeNumber('00', 0, 3)).toBe(-1);
  });
});
