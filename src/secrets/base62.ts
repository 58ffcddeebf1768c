/**
 * Base62 of fixed length: a byte string as one big-endian number, in the digits `0-9A-Za-z`, padded with `0`. The digits are in ASCII
 * order, so texts sort as their bytes do. Exactly one text decodes to given bytes; everything else is refused.
 */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const VALUE_OF_CODE = new Int8Array(128).fill(-1);
for (let value = 0; value < 62; value++) VALUE_OF_CODE[DIGITS.charCodeAt(value)] = value;

const BITS_PER_DIGIT = Math.log2(62);

/** Digits handled at once: 62^5 < 2^30, so that 16-bit limb * group + carry stays exact in a double (< 2^53). */
const GROUP = 5;
const GROUP_FACTOR = 62 ** GROUP;
const LIMB = 0x10000;

/** Encodes an even number of bytes into exactly `length` digits, which the caller has chosen large enough. */
export function encodeBase62(bytes: Uint8Array, length: number): string {
  const limbs = Array.from(
    { length: bytes.length / 2 },
    (_, i) => byteAt(bytes, 2 * i) * 256 + byteAt(bytes, 2 * i + 1),
  );
  let text = '';
  while (text.length < length) {
    const digits = Math.min(GROUP, length - text.length);
    const divisor = 62 ** digits;
    let remainder = 0;
    for (let i = 0; i < limbs.length; i++) {
      const dividend = remainder * LIMB + (limbs[i] ?? 0);
      limbs[i] = Math.floor(dividend / divisor);
      remainder = dividend % divisor;
    }
    text = encodeNumber(remainder, digits) + text;
  }
  return text;
}

/** Decodes into exactly `byteLength` (even) bytes; null for another length, a foreign digit or a number that does not fit. */
export function decodeBase62(text: string, byteLength: number): Uint8Array | null {
  if (text.length !== Math.ceil((byteLength * 8) / BITS_PER_DIGIT)) return null;
  // Least significant limb first; only the first `used` can be other than zero so far.
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

/** A number below 62^digits as exactly that many digits. */
export function encodeNumber(value: number, digits: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < digits; i++) {
    text = DIGITS.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/** The number that the digits from `start` to `end` say, -1 when one of them is none. */
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
