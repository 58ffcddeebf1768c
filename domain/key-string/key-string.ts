/**
 * The key string: `<prefix>_<body>`. The body has 92 base62 characters: 86 encode 64 bytes, the last 6 the CRC-32 of
 * all the text before them.
 *
 *   offset  bytes
 *    0       1    format version, 1
 *    1       1    keyring entry of HMAC_SECRET that signed
 *    2       1    jurisdiction of the tenant's object, 0: none
 *    3       1    shard of the tenant, 0: the only one
 *    4      16    tenant locator: SHA-256 of the tenant id, first half
 *   20      12    key id: 6 bytes of milliseconds since the epoch, 6 random
 *   32      20    random: 160 bits, too many to guess
 *   52      12    signature: HMAC over the prefix and bytes 0 to 51, first 96 bits
 *
 * 96 bits of signature are enough: a forger can test a guess only by a request, and some 2^95 requests are out
 * of reach. The checksum detects typing mistakes and needs no secret, as in GitHub's tokens, so scanners and
 * clients can check it too.
 */

import { LOCATOR_BYTES } from '../tenants/locator.ts';
import { decodeBase62, decodeNumber, encodeBase62, encodeNumber } from './base62.ts';
import { crc32 } from './crc32.ts';

export const KEY_PREFIX_PATTERN = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/;
export const KEY_PREFIX_LENGTH_MAX = 24;

const FORMAT_VERSION = 1;
const BYTES = 64;
/** ceil(64 * 8 / log2(62)) */
const BYTES_DIGITS = 86;
export const CRC_DIGITS = 6;
export const KEY_BODY_LENGTH = BYTES_DIGITS + CRC_DIGITS;

const ID_BYTES = 12;
/** ceil(12 * 8 / log2(62)) */
const ID_DIGITS = 17;
const RANDOM_BYTES = 20;
export const SIGNED_BYTES = 52;

/** The form of a key id. */
export const KEY_ID_PATTERN = /^key_[0-9A-Za-z]{17}$/;

/**
 * The longest key string that was issued elsewhere (bytes in UTF-8). Those of services that we know are below 200.
 */
export const FOREIGN_KEY_BYTES_MAX = 512;

/** Length of the longest key string. */
export const KEY_STRING_LENGTH_MAX = KEY_PREFIX_LENGTH_MAX + 1 + KEY_BODY_LENGTH;

/**
 * A well-formed key string. Getters take its parts out of the bytes, since a forged one is refused
 * before most are needed.
 */
export class KeyString {
  readonly prefix: string;
  /** The 64 bytes of the body. */
  readonly bytes: Uint8Array;

  constructor(prefix: string, bytes: Uint8Array) {
    this.prefix = prefix;
    this.bytes = bytes;
  }

  /** Keyring entry of HMAC_SECRET. */
  get signingKeyId(): number {
    return this.bytes[1] ?? 0;
  }

  get locator(): Uint8Array {
    return this.bytes.slice(4, 4 + LOCATOR_BYTES);
  }

  /** The key id, `key_…`. */
  get id(): string {
    return formatKeyId(this.bytes.slice(20, 20 + ID_BYTES));
  }

  /** The bytes that the signature covers, beside the prefix. */
  get signed(): Uint8Array {
    return this.bytes.slice(0, SIGNED_BYTES);
  }

  get signature(): Uint8Array {
    return this.bytes.slice(SIGNED_BYTES);
  }
}

/** Parses a key string; null unless it is exactly one that `formatKeyString` writes. Does not check the signature. */
export function parseKeyString(text: string): KeyString | null {
  const bodyStart = text.length - KEY_BODY_LENGTH;
  // Split from the end: the body has a fixed length, while the prefix may contain underscores.
  if (bodyStart < 2 || bodyStart > KEY_PREFIX_LENGTH_MAX + 1 || text[bodyStart - 1] !== '_') return null;
  const prefix = text.slice(0, bodyStart - 1);
  if (!KEY_PREFIX_PATTERN.test(prefix)) return null;
  const crcStart = text.length - CRC_DIGITS;
  if (decodeNumber(text, crcStart, text.length) !== crc32(text, crcStart)) return null;
  const bytes = decodeBase62(text.slice(bodyStart, crcStart), BYTES);
  if (bytes === null || bytes[0] !== FORMAT_VERSION || bytes[2] !== 0 || bytes[3] !== 0) return null;
  return new KeyString(prefix, bytes);
}

/** The key string for a prefix and 64 bytes. */
export function formatKeyString(prefix: string, bytes: Uint8Array): string {
  const text = `${prefix}_${encodeBase62(bytes, BYTES_DIGITS)}`;
  return text + encodeNumber(crc32(text), CRC_DIGITS);
}

/** The signed bytes of a key made at `now` (ms). `entropy` fills the bytes that it is given with fresh randomness. */
export function newSignedBytes(
  signingKeyId: number,
  locator: Uint8Array,
  now: number,
  entropy: (bytes: Uint8Array) => void,
): Uint8Array {
  const bytes = new Uint8Array(SIGNED_BYTES);
  entropy(bytes.subarray(SIGNED_BYTES - RANDOM_BYTES - 6));
  bytes.set([FORMAT_VERSION, signingKeyId, 0, 0]);
  bytes.set(locator, 4);
  writeTime(bytes, 20, now);
  return bytes;
}

/** Ids that grow with time keep keys made together on neighbouring pages of the index. */
function writeTime(bytes: Uint8Array, at: number, now: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint16(at, Math.floor(now / 2 ** 32));
  view.setUint32(at + 2, now % 2 ** 32);
}

/** A new id for a key without a key string of our own, made at `now` (ms). It is one like all others. */
export function newKeyId(now: number, entropy: (bytes: Uint8Array) => void): string {
  const bytes = new Uint8Array(ID_BYTES);
  entropy(bytes.subarray(6));
  writeTime(bytes, 0, now);
  return formatKeyId(bytes);
}

/** The key id: `key_` and its 12 bytes as 17 base62 digits. */
export function formatKeyId(idBytes: Uint8Array): string {
  return `key_${encodeBase62(idBytes, ID_DIGITS)}`;
}
