/**
 * The signature of key strings and, from the same HMAC, their digest. HMAC-SHA-256 gives 32 bytes: the first 12 go into the key string as its signature, the
 * other 20 are the digest that storage keeps. One computation therefore both proves that Keystead made the string and yields what the
 * record is compared with; and the digest is as unpredictable without HMAC_SECRET as the signature is, for somebody who holds the database.
 */
import { deriveKey, HMAC_SHA_256 } from './derived-key.ts';
import type { KeyString } from './key-string.ts';
import type { Keyring } from './keyring.ts';

const SIGNATURE_BYTES = 12;

export type SignedDigest = { readonly signature: Uint8Array; readonly digest: Uint8Array };

export class KeySigner {
  readonly #ring: Keyring;
  readonly #keys = new Map<number, Promise<CryptoKey>>();

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** Keyring entry that new key strings are signed with. */
  get currentId(): number {
    return this.#ring.current.id;
  }

  /** Signature and digest with the given entry; null when the keyring does not have it. */
  async sign(entryId: number, prefix: string, signed: Uint8Array): Promise<SignedDigest | null> {
    const key = this.#key(entryId);
    if (key === null) return null;
    // No prefix contains the byte 0, so no two pairs give the same message.
    const message = new Uint8Array(prefix.length + 1 + signed.length);
    for (let i = 0; i < prefix.length; i++) message[i] = prefix.charCodeAt(i);
    message.set(signed, prefix.length + 1);
    const mac = new Uint8Array(await crypto.subtle.sign('HMAC', await key, message));
    return { signature: mac.subarray(0, SIGNATURE_BYTES), digest: mac.slice(SIGNATURE_BYTES) };
  }

  /** The digest of a key string that carries its true signature, null for a forged one. Compared in constant time. */
  async verify(key: KeyString): Promise<Uint8Array | null> {
    const expected = await this.sign(key.signingKeyId, key.prefix, key.signed);
    if (expected === null) return null;
    return crypto.subtle.timingSafeEqual(expected.signature, key.signature) ? expected.digest : null;
  }

  #key(entryId: number): Promise<CryptoKey> | null {
    const known = this.#keys.get(entryId);
    if (known !== undefined) return known;
    const entry = this.#ring.entries.get(entryId);
    if (entry === undefined) return null;
    const key = deriveKey(entry, 'keystead/key-signature/v1', HMAC_SHA_256);
    this.#keys.set(entryId, key);
    return key;
  }
}
