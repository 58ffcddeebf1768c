/**
 * List cursors: opaque to callers and signed, so that one that was altered, or belongs to another list, tenant, order or filter, is refused.
 *
 *   offset  bytes
 *    0       1    keyring entry of HMAC_SECRET
 *    1       8    position in the list
 *    9      18    HMAC over the bytes before it and the list's description
 *
 * 27 bytes fill 36 base64url characters to the last bit, so exactly one text says them.
 */
import { deriveKey, HMAC_SHA_256 } from './derived-key.ts';
import type { Keyring, KeyringEntry } from './keyring.ts';

const SIGNED_BYTES = 9;
const SIGNATURE_BYTES = 18;

/** What makes two lists the same list. */
export type ListDescription = {
  readonly list: string;
  readonly tenantId?: string;
  readonly order?: string;
  readonly filter?: object;
};

export class CursorSigner {
  readonly #ring: Keyring;
  /** By keyring entry. */
  readonly #keys = new Map<number, Promise<CryptoKey>>();

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  async write(position: number, list: ListDescription): Promise<string> {
    const bytes = new Uint8Array(SIGNED_BYTES + SIGNATURE_BYTES);
    bytes[0] = this.#ring.current.id;
    new DataView(bytes.buffer).setFloat64(1, position);
    bytes.set(await this.#signature(this.#ring.current.id, bytes, list), SIGNED_BYTES);
    return btoa(String.fromCharCode(...bytes))
      .replaceAll('+', '-')
      .replaceAll('/', '_');
  }

  /** The position, null for anything but a cursor that was written for this very list. */
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
    if (entry === undefined) throw new Error('no such keyring entry');
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
