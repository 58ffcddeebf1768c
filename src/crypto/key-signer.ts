/**
 * The signature and the digest of key strings, both from one HMAC-SHA-256. Its first 12 bytes are the signature in
 * the key string, the other 20 the digest that the record keeps. So one computation proves that Keystead made the key
 * string and yields the digest to compare with the record. Somebody who can write to the database cannot compute
 * either without HMAC_SECRET.
 */
import { sameBytes } from '../../domain/bytes.ts';
import { KEY_PREFIX_LENGTH_MAX, type KeyString, SIGNED_BYTES } from '../../domain/key-string/key-string.ts';
import { deriveKey, HMAC_SHA_256 } from './derived-key.ts';
import type { Keyring } from './keyring.ts';

const SIGNATURE_BYTES = 12;

export type SignedDigest = { readonly signature: Uint8Array; readonly digest: Uint8Array };

/** Signs and verifies key strings. */
export class KeySigner {
  readonly #ring: Keyring;
  /** Derived keys by keyring entry. */
  readonly #keys = new Map<number, CryptoKey>();
  /**
   * Buffer of the message to sign. One is enough: it is filled and passed on without a wait in between, and `sign`
   * copies it (Web Cryptography API, section 14.3.3).
   */
  readonly #message = new Uint8Array(KEY_PREFIX_LENGTH_MAX + 1 + SIGNED_BYTES);

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** Id of the keyring entry that signs new key strings. */
  get currentId(): number {
    return this.#ring.current.id;
  }

  /**
   * The signature and digest of a prefix and signed bytes by a keyring entry; null when the keyring lacks the entry.
   */
  async sign(entryId: number, prefix: string, signed: Uint8Array): Promise<SignedDigest | null> {
    const mac = await this.#mac(entryId, prefix, signed);
    return mac === null ? null : { signature: mac.slice(0, SIGNATURE_BYTES), digest: mac.slice(SIGNATURE_BYTES) };
  }

  /** The digest of a key string whose signature is valid, null for a forged one. The comparison takes constant time. */
  async verify({ signingKeyId, prefix, signed, signature }: KeyString): Promise<Uint8Array | null> {
    const mac = await this.#mac(signingKeyId, prefix, signed);
    return mac !== null && sameBytes(mac.slice(0, SIGNATURE_BYTES), signature) ? mac.slice(SIGNATURE_BYTES) : null;
  }

  /** The prefix, a byte 0 and the signed bytes. No prefix contains a byte 0, so no two pairs give the same message. */
  #messageOf(prefix: string, signed: Uint8Array): Uint8Array {
    for (let i = 0; i < prefix.length; i++) this.#message[i] = prefix.charCodeAt(i);
    this.#message[prefix.length] = 0;
    this.#message.set(signed, prefix.length + 1);
    return this.#message.subarray(0, prefix.length + 1 + signed.length);
  }

  async #mac(entryId: number, prefix: string, signed: Uint8Array): Promise<Uint8Array | null> {
    const key = this.#keys.get(entryId) ?? (await this.#derive(entryId));
    if (key === null) return null;
    return new Uint8Array(await crypto.subtle.sign('HMAC', key, this.#messageOf(prefix, signed)));
  }

  async #derive(entryId: number): Promise<CryptoKey | null> {
    const entry = this.#ring.entries.get(entryId);
    if (entry === undefined) return null;
    const key = await deriveKey(entry, 'keystead/key-signature/v1', HMAC_SHA_256);
    this.#keys.set(entryId, key);
    return key;
  }
}
