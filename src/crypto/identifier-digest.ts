/**
 * Digests of identifiers that callers of `limits/check` name, IP addresses for example. They may be personal data, so
 * the object stores and sees no identifier. The digest is keyed: without the secret nobody finds out by trying all
 * addresses which ones a database knows. It differs from tenant to tenant.
 */
import { encodeBase62 } from '../../domain/key-string/base62.ts';
import { deriveKey, HMAC_SHA_256 } from './derived-key.ts';
import type { Keyring } from './keyring.ts';

const INFO = 'keystead identifier v1';
/** 128 bits: no two of a tenant's identifiers ever share a counter. */
const DIGEST_BYTES = 16;
/** 62^22 is just above 2^128. */
const DIGITS = 22;

export class IdentifierDigester {
  readonly #ring: Keyring;
  #key: Promise<CryptoKey> | null = null;

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** 22 base62 digits. */
  async digest(tenantId: string, identifier: string): Promise<string> {
    this.#key ??= this.#deriveKey();
    // A tenant id has no space, so no two pairs give the same text.
    const text = new TextEncoder().encode(`${tenantId} ${identifier}`);
    const mac = await crypto.subtle.sign('HMAC', await this.#key, text);
    return encodeBase62(new Uint8Array(mac, 0, DIGEST_BYTES), DIGITS);
  }

  /**
   * From the oldest entry, the one with the lowest id, and not from the current one: a new entry would give each
   * identifier another digest, and so reopen all limits. They are reopened once when the oldest entry is removed.
   */
  #deriveKey(): Promise<CryptoKey> {
    const [oldest = this.#ring.current] = [...this.#ring.entries.values()].sort((a, b) => a.id - b.id);
    return deriveKey(oldest, INFO, HMAC_SHA_256);
  }
}
