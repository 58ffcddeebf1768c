/**
 * Base62 of fixed length: bytes as one big-endian number in the digits `0-9A-Za-z`, padded with `0`. The
 * digits are in ASCII order, so texts sort as their bytes do. The encoding is canonical: exactly one text
 * decodes to given bytes.
 */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const VALUE_OF_CODE = new Int8Array(128).fill(-1);
for (let value = 0; value < 62; value++) VALUE_OF_CODE[DIGITS.charCodeAt(value)] = value;

const PAIR_FACTOR = 62 * 62;
/** All pairs of digits, by their value. */
const PAIRS = Array.from(
  { length: PAIR_FACTOR },
  (_, value) => DIGITS.charAt(Math.floor(value / 62)) + DIGITS.charAt(value % 62),
);

const BITS_PER_DIGIT = Math.log2(62);

/** Digits that are converted at once. 62^5 < 2^30, so 16-bit limb * group + carry is exact in a double (< 2^53). */
const GROUP = 5;
const GROUP_FACTOR = 62 ** GROUP;
const LIMB = 0x10000;

/** Encodes an even number of bytes as exactly `length` digits. `length` must be large enough for them. */
export function encodeBase62(bytes: Uint8Array, length: number): string {
  const limbs = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < limbs.length; i++) limbs[i] = byteAt(bytes, 2 * i) * 256 + byteAt(bytes, 2 * i + 1);
  let text = '';
  // The first limb that may not be zero yet.
  let first = 0;
  for (let left = length; left > 0; left -= GROUP) {
    const digits = Math.min(GROUP, left);
    const divisor = digits === GROUP ? GROUP_FACTOR : 62 ** digits;
    let remainder = 0;
    for (let i = first; i < limbs.length; i++) {
      const dividend = remainder * LIMB + (limbs[i] ?? 0);
      const quotient = Math.floor(dividend / divisor);
      limbs[i] = quotient;
      remainder = dividend - quotient * divisor;
    }
    while (first < limbs.length && limbs[first] === 0) first += 1;
    text = encodeNumber(remainder, digits) + text;
  }
  return text;
}

/**
 * Decodes exactly `byteLength` (even) bytes. Null for a text of another length, another character or
 * a number too large.
 */
export function decodeBase62(text: string, byteLength: number): Uint8Array | null {
  if (text.length !== Math.ceil((byteLength * 8) / BITS_PER_DIGIT)) return null;
  // Least significant limb first. Only the first `used` limbs may be other than zero so far.
  const limbs = new Uint16Array(byteLength / 2);
  let used = 0;
  for (let start = 0; start < text.length; start += GROUP) {
    const end = Math.min(start + GROUP, text.length);
    let carry = decodeNumber(text, start, end);
    if (carry < 0) return null;
    const factor = end - start === GROUP ? GROUP_FACTOR : 62 ** (end - start);
    for (let i = 0; i < used; i++) {
      const product = (limbs[i] ?? 0) * factor + carry;
      carry = Math.floor(product / LIMB);
      limbs[i] = product - carry * LIMB;
    }
    while (carry > 0) {
      if (used === limbs.length) return null;
      limbs[used] = carry % LIMB;
      carry = Math.floor(carry / LIMB);
      used += 1;
    }
  }
  const bytes = new Uint8Array(byteLength);
  for (let i = 0; i < limbs.length; i++) {
    const limb = limbs[limbs.length - 1 - i] ?? 0;
    bytes[2 * i] = limb >> 8;
    bytes[2 * i + 1] = limb & 255;
  }
  return bytes;
}

/** A number below 62^`digits` as exactly `digits` digits. */
export function encodeNumber(value: number, digits: number): string {
  let text = '';
  let rest = value;
  for (let left = digits; left > 0; left -= 2) {
    const quotient = Math.floor(rest / PAIR_FACTOR);
    const pair = PAIRS[rest - quotient * PAIR_FACTOR] ?? '';
    text = (left === 1 ? pair.charAt(1) : pair) + text;
    rest = quotient;
  }
  return text;
}

/** The number that the digits from `start` up to `end` stand for, -1 when a character is not a digit. */
export function decodeNumber(text: string, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = VALUE_OF_CODE[text.charCodeAt(i)] ?? -1;
    if (digit < 0) return -1;
    value = value * 62 + digit;
  }
  return value;
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
