/**
 * Keyrings: the values of `ENCRYPTION_KEY` and `HMAC_SECRET`. A keyring is a list of `id:base64` pairs with
 * commas between. The first entry is current: it seals and signs. The others still open envelopes and verify
 * signatures. A single base64 value without an id has the id 1. Ids go from 1 to 255, because key strings and
 * envelopes hold them in one byte.
 */

export type KeyringEntry = { readonly id: number; readonly secret: Uint8Array };

export type Keyring = {
  readonly current: KeyringEntry;
  /** Every entry by its id, the current one included. */
  readonly entries: ReadonlyMap<number, KeyringEntry>;
};

/** 256 bits, the full strength of HMAC-SHA-256 (RFC 2104, section 3) and AES-256. */
export const SECRET_BYTES_MIN = 32;
/** Bounds what is parsed. No sensible secret is near it. */
const SECRET_BYTES_MAX = 256;
/** 32 random bytes have some 30 different values. Fewer than 16 happen by accident less than once in 10^9 secrets. */
const DIFFERENT_BYTES_MIN = 16;
const ENTRIES_MAX = 16;

/** The keyring in a text, or a string that says what is wrong with the text, without quoting it. */
export function parseKeyring(text: string): Keyring | string {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length > ENTRIES_MAX) return `has more than ${ENTRIES_MAX} entries`;
  const entries = new Map<number, KeyringEntry>();
  let current: KeyringEntry | undefined;
  for (const [index, part] of parts.entries()) {
    const entry = parseEntry(part, parts.length === 1);
    const place = parts.length === 1 ? '' : `entry ${index + 1} `;
    if (typeof entry === 'string') return `${place}${entry}`;
    if (entries.has(entry.id)) return `${place}repeats the id of another entry`;
    for (const other of entries.values()) {
      if (sameSecret(other, entry)) return `${place}repeats the secret of another entry`;
    }
    entries.set(entry.id, entry);
    current ??= entry;
  }
  return current === undefined ? 'is empty' : { current, entries };
}

function parseEntry(part: string, alone: boolean): KeyringEntry | string {
  const match = /^(?:(?<id>[1-9][0-9]{0,2}):)?(?<base64>[A-Za-z0-9+/_-]+={0,2})$/.exec(part);
  const base64 = match?.groups?.base64;
  if (base64 === undefined) return 'is not id:base64';
  const id = Number(match?.groups?.id ?? (alone ? 1 : 0));
  if (id < 1 || id > 255) return 'has no id from 1 to 255';
  const secret = decodeBase64(base64);
  if (secret === null) return 'is not valid base64';
  if (secret.length < SECRET_BYTES_MIN) return `is shorter than ${SECRET_BYTES_MIN} bytes`;
  if (secret.length > SECRET_BYTES_MAX) return `is longer than ${SECRET_BYTES_MAX} bytes`;
  if (new Set(secret).size < DIFFERENT_BYTES_MIN || isRepetition(secret)) return 'is not random (repeated bytes)';
  if (isText(secret)) return 'is not random (a text or placeholder)';
  return { id, secret };
}

/** Whether two entries hold the same secret. */
export function sameSecret(a: KeyringEntry, b: KeyringEntry): boolean {
  return a.secret.length === b.secret.length && a.secret.every((byte, i) => byte === b.secret[i]);
}

/** Base64 and base64url, with or without padding. */
function decodeBase64(text: string): Uint8Array | null {
  try {
    const standard = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
    return Uint8Array.from(atob(standard), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}

/** That the last eight bytes repeat earlier ones at a given distance happens by accident once in 2^64 secrets. */
const REPEATED_BYTES_MIN = 8;

/** Whether a secret repeats its beginning over and over, with at least `REPEATED_BYTES_MIN` repeated bytes. */
function isRepetition(secret: Uint8Array): boolean {
  for (let period = 1; period <= secret.length - REPEATED_BYTES_MIN; period++) {
    if (secret.every((byte, i) => i < period || byte === secret[i - period])) return true;
  }
  return false;
}

/**
 * Whether all bytes are printable ASCII. For 32 random bytes that happens once in 10^13 times, for
 * encoded words always.
 */
function isText(secret: Uint8Array): boolean {
  return secret.every((byte) => byte >= 0x20 && byte < 0x7f);
}
