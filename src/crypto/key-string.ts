/**
 * The key string: `<prefix>_<body>`, the body 92 base62 characters.
 *
 *   body      86 characters that say 64 bytes, then 6 that say the CRC-32 of all the text before them
 *
 *   offset  bytes
 *    0       1    format version, 1
 *    1       1    keyring entry of HMAC_SECRET that signed
 *    2       1    jurisdiction of the tenant's object, 0: none
 *    3       1    shard of the tenant, 0: the only one
 *    4      16    tenant locator: SHA-256 of the tenant id, first half
 *   20      12    key id: 6 bytes of milliseconds since the epoch, 6 random
 *   32      20    random: 160 bits, which nobody guesses
 *   52      12    signature: HMAC over the prefix and bytes 0 to 51, first 96 bits
 *
 * 96 bits of signature: a forger has no way to test guesses but to ask, and 2^95 questions is out of reach. The checksum catches typing mistakes without a
 * secret, as in GitHub's tokens, so that scanners and clients can check it too.
 */

import { LOCATOR_BYTES } from '../../domain/tenants/locator.ts';
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

/** A key id as callers write it. */
export const KEY_ID_PATTERN = /^key_[0-9A-Za-z]{17}$/;

/** Longest text that can be a key string. */
export const KEY_STRING_LENGTH_MAX = KEY_PREFIX_LENGTH_MAX + 1 + KEY_BODY_LENGTH;

/** A well-formed key string. Its parts are taken out of the bytes when they are asked for: a forged one is refused before most of them matter. */
export class KeyString {
  readonly prefix: string;
  /** All 64 bytes. */
  readonly bytes: Uint8Array;

  constructor(prefix: string, bytes: Uint8Array) {
    this.prefix = prefix;
    this.bytes = bytes;
  }

  get signingKeyId(): number {
    return this.bytes[1] ?? 0;
  }

  get locator(): Uint8Array {
    return this.bytes.slice(4, 4 + LOCATOR_BYTES);
  }

  /** `key_…` */
  get id(): string {
    return formatKeyId(this.bytes.slice(20, 20 + ID_BYTES));
  }

  /** What the signature covers beside the prefix. */
  get signed(): Uint8Array {
    return this.bytes.slice(0, SIGNED_BYTES);
  }

  get signature(): Uint8Array {
    return this.bytes.slice(SIGNED_BYTES);
  }
}

/** Reads a key string; null unless it is exactly one that `formatKeyString` writes. Says nothing about the signature. */
export function parseKeyString(text: string): KeyString | null {
  const bodyStart = text.length - KEY_BODY_LENGTH;
  // The body has no underscore and a fixed length, so the prefix may have any: it is split from the end.
  if (bodyStart < 2 || bodyStart > KEY_PREFIX_LENGTH_MAX + 1 || text[bodyStart - 1] !== '_') return null;
  const prefix = text.slice(0, bodyStart - 1);
  if (!KEY_PREFIX_PATTERN.test(prefix)) return null;
  const crcStart = text.length - CRC_DIGITS;
  if (decodeNumber(text, crcStart, text.length) !== crc32(text, crcStart)) return null;
  const bytes = decodeBase62(text.slice(bodyStart, crcStart), BYTES);
  if (bytes === null || bytes[0] !== FORMAT_VERSION || bytes[2] !== 0 || bytes[3] !== 0) return null;
  return new KeyString(prefix, bytes);
}

/** Writes the key string of 64 bytes. */
export function formatKeyString(prefix: string, bytes: Uint8Array): string {
  const text = `${prefix}_${encodeBase62(bytes, BYTES_DIGITS)}`;
  return text + encodeNumber(crc32(text), CRC_DIGITS);
}

/** The bytes that are signed, for a new key born at `now` (ms). `entropy` fills given bytes with fresh randomness. */
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
  // Ids that grow with time keep neighbouring births on neighbouring pages of the index.
  new DataView(bytes.buffer).setUint16(20, Math.floor(now / 2 ** 32));
  new DataView(bytes.buffer).setUint32(22, now % 2 ** 32);
  return bytes;
}

/** `key_` and the id's 12 bytes in 17 base62 digits. */
export function formatKeyId(idBytes: Uint8Array): string {
  return `key_${encodeBase62(idBytes, ID_DIGITS)}`;
}
