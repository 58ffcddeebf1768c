/**
 * The signature of key strings and, from the same HMAC, their digest. HMAC-SHA-256 gives 32 bytes: the first 12 go into the key string as its signature, the
 * other 20 are the digest that storage keeps. One computation therefore both proves that Keystead made the string and yields what the
 * record is compared with; and the digest is as unpredictable without HMAC_SECRET as the signature is, for somebody who holds the database.
 */
import { sameBytes } from '../../domain/bytes.ts';
import { deriveKey, HMAC_SHA_256 } from './derived-key.ts';
import { KEY_PREFIX_LENGTH_MAX, type KeyString, SIGNED_BYTES } from './key-string.ts';
import type { Keyring } from './keyring.ts';

const SIGNATURE_BYTES = 12;

export type SignedDigest = { readonly signature: Uint8Array; readonly digest: Uint8Array };

export class KeySigner {
  readonly #ring: Keyring;
  readonly #imported = new Map<number, CryptoKey>();
  /** Filled and handed over without a wait in between; the platform copies what it is to sign (Web Cryptography, 14.3.3). */
  readonly #message = new Uint8Array(KEY_PREFIX_LENGTH_MAX + 1 + SIGNED_BYTES);

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** Keyring entry that new key strings are signed with. */
  get currentId(): number {
    return this.#ring.current.id;
  }

  /** Signature and digest with the given entry; null when the keyring does not have it. */
  async sign(entryId: number, prefix: string, signed: Uint8Array): Promise<SignedDigest | null> {
    const mac = await this.#mac(entryId, prefix, signed);
    return mac === null ? null : { signature: mac.slice(0, SIGNATURE_BYTES), digest: mac.slice(SIGNATURE_BYTES) };
  }

  /** The digest of a key string that carries its true signature, null for a forged one. Compared in constant time. */
  async verify({ signingKeyId, prefix, signed, signature }: KeyString): Promise<Uint8Array | null> {
    const mac = await this.#mac(signingKeyId, prefix, signed);
    return mac !== null && sameBytes(mac.slice(0, SIGNATURE_BYTES), signature) ? mac.slice(SIGNATURE_BYTES) : null;
  }

  /** The prefix, a byte 0, which no prefix contains, and the signed bytes: no two pairs give the same message. */
  #messageOf(prefix: string, signed: Uint8Array): Uint8Array {
    for (let i = 0; i < prefix.length; i++) this.#message[i] = prefix.charCodeAt(i);
    this.#message[prefix.length] = 0;
    this.#message.set(signed, prefix.length + 1);
    return this.#message.subarray(0, prefix.length + 1 + signed.length);
  }

  async #mac(entryId: number, prefix: string, signed: Uint8Array): Promise<Uint8Array | null> {
    const key = this.#imported.get(entryId) ?? (await this.#import(entryId));
    if (key === null) return null;
    return new Uint8Array(await crypto.subtle.sign('HMAC', key, this.#messageOf(prefix, signed)));
  }

  async #import(entryId: number): Promise<CryptoKey | null> {
    const entry = this.#ring.entries.get(entryId);
    if (entry === undefined) return null;
    const key = await deriveKey(entry, 'keystead/key-signature/v1', HMAC_SHA_256);
    this.#imported.set(entryId, key);
    return key;
  }
}
