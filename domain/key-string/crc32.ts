/**
 * CRC-32 (ISO 3309, as in gzip and zip). It detects every change within four neighbouring characters, so every single
 * mistyped one.
 */

/** The remainder of each byte. */
const TABLE = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  TABLE[byte] = remainder;
}

/** CRC-32 of the first `length` characters of an ASCII text, unsigned. */
export function crc32(text: string, length = text.length): number {
  let crc = -1;
  for (let i = 0; i < length; i++) crc = (crc >>> 8) ^ (TABLE[(crc ^ text.charCodeAt(i)) & 255] ?? 0);
  return (crc ^ -1) >>> 0;
}
