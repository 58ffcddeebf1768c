/**
 * List cursors: opaque to callers, and signed so that a cursor is refused when it was altered, or when it belongs to
 * another list, tenant, order or filter.
 *
 *   offset  bytes
 *    0       1    keyring entry of HMAC_SECRET
 *    1       8    position in the list, a double
 *    9      18    HMAC over the bytes before it and the list's description
 *
 * 27 bytes fill 36 base64url characters to the last bit, so the encoding is canonical. 144 bits of the HMAC are more
 * than a forger can guess, since each guess takes a request.
 */
import { deriveKey, HMAC_SHA_256 } from './derived-key.ts';
import type { Keyring, KeyringEntry } from './keyring.ts';

const SIGNED_BYTES = 9;
const SIGNATURE_BYTES = 18;

/** A list: a cursor is valid only for a list with an equal description. */
export type ListDescription = {
  readonly list: string;
  readonly tenantId?: string;
  readonly order?: string;
  readonly filter?: object;
};

/** Writes and reads cursors. */
export class CursorSigner {
  readonly #ring: Keyring;
  /** Derived keys by keyring entry. */
  readonly #keys = new Map<number, Promise<CryptoKey>>();

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** The cursor for a position in a list. */
  async write(position: number, list: ListDescription): Promise<string> {
    const bytes = new Uint8Array(SIGNED_BYTES + SIGNATURE_BYTES);
    bytes[0] = this.#ring.current.id;
    new DataView(bytes.buffer).setFloat64(1, position);
    bytes.set(await this.#signature(this.#ring.current.id, bytes, list), SIGNED_BYTES);
    return btoa(String.fromCharCode(...bytes))
      .replaceAll('+', '-')
      .replaceAll('/', '_');
  }

  /** The position in a cursor, null unless it was written for a list with this description. */
  async read(cursor: string, list: ListDescription): Promise<number | null> {
    if (!/^[A-Za-z0-9_-]{36}$/.test(cursor)) return null;
    const text = atob(cursor.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    const entryId = bytes[0] ?? 0;
    if (!this.#ring.entries.has(entryId)) return null;
    const expected = await this.#signature(entryId, bytes, list);
    if (!crypto.subtle.timingSafeEqual(expected, bytes.subarray(SIGNED_BYTES))) return null;
    return new DataView(bytes.buffer).getFloat64(1);
  }

  async #signature(entryId: number, bytes: Uint8Array, list: ListDescription): Promise<Uint8Array> {
    const entry = this.#ring.entries.get(entryId);
    if (entry === undefined) throw new Error('the keyring has no such entry');
    const key = await this.#keyOf(entry);
    const { list: name, tenantId = '', order = '', filter = {} } = list;
    const filters = Object.entries(filter).sort(([a], [b]) => (a < b ? -1 : 1));
    const description = new TextEncoder().encode(JSON.stringify([name, tenantId, order, filters]));
    const message = new Uint8Array(SIGNED_BYTES + description.length);
    message.set(bytes.subarray(0, SIGNED_BYTES));
    message.set(description, SIGNED_BYTES);
    return new Uint8Array(await crypto.subtle.sign('HMAC', key, message), 0, SIGNATURE_BYTES);
  }

  #keyOf(entry: KeyringEntry): Promise<CryptoKey> {
    const known = this.#keys.get(entry.id);
    if (known !== undefined) return known;
    const key = deriveKey(entry, 'keystead/cursor/v1', HMAC_SHA_256);
    this.#keys.set(entry.id, key);
    return key;
  }
}
