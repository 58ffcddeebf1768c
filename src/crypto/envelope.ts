/**
 * Envelopes: the form in which Keystead keeps key strings, encrypted.
 *
 *   offset  bytes
 *    0       1    envelope version, 1: AES-256-GCM, HKDF-SHA-256
 *    1       1    keyring entry of ENCRYPTION_KEY
 *    2      12    nonce, random
 *   14       n    ciphertext
 *   14+n    16    tag
 *
 * Each tenant has its own AES key. Random 96-bit nonces are safe for 2^32 envelopes under one key (NIST SP 800-38D,
 * section 8.3), more than the database of a tenant can hold. The additional data binds an envelope to its version,
 * keyring entry, tenant, record and purpose, so that an envelope that was moved to another row does not open.
 */
import { LruCache } from '../../domain/memory/lru-cache.ts';
import { AES_256_GCM, deriveKey } from './derived-key.ts';
import type { Keyring } from './keyring.ts';

const ENVELOPE_VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 2;

/** What an envelope is bound to. */
export type EnvelopeContext = {
  readonly tenantId: string;
  /** The id of the key, or of the kept result (`Idempotency.key` in domain/command.ts). */
  readonly record: string;
  /**
   * `key`: the bytes of a key string. `answer`: the key strings of a kept result; stored envelopes are
   * bound to this word.
   */
  readonly purpose: 'key' | 'answer';
};

/**
 * Why an envelope does not open. `not_authentic`: AES-GCM cannot tell a wrong key from an altered
 * or a moved envelope.
 */
export type EnvelopeFault = 'malformed' | 'unsupported_version' | 'unknown_key' | 'not_authentic';

/** What a derived key takes, with the tenant id in its cache key (bytes). Nearly all of it is outside the heap. */
const TENANT_KEY_BYTES = 2000;

/** Seals and opens envelopes. */
export class Sealer {
  readonly #ring: Keyring;
  readonly #tenantKeys = new LruCache<Promise<CryptoKey>>();

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** Id of the keyring entry that seals new envelopes. */
  get currentId(): number {
    return this.#ring.current.id;
  }

  /** Seals a plaintext with the current keyring entry. */
  async seal(plaintext: Uint8Array, context: EnvelopeContext): Promise<Uint8Array> {
    const key = await this.#tenantKey(this.#ring.current.id, context.tenantId);
    if (key === null) throw new Error('the keyring lacks its current entry');
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const header = Uint8Array.of(ENVELOPE_VERSION, this.#ring.current.id);
    const sealed = await crypto.subtle.encrypt(gcm(nonce, header, context), key, plaintext);
    const envelope = new Uint8Array(HEADER_BYTES + NONCE_BYTES + sealed.byteLength);
    envelope.set(header);
    envelope.set(nonce, HEADER_BYTES);
    envelope.set(new Uint8Array(sealed), HEADER_BYTES + NONCE_BYTES);
    return envelope;
  }

  /** The plaintext of an envelope, or why it does not open. */
  async open(envelope: Uint8Array, context: EnvelopeContext): Promise<Uint8Array | EnvelopeFault> {
    if (envelope.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES) return 'malformed';
    if (envelope[0] !== ENVELOPE_VERSION) return 'unsupported_version';
    const key = await this.#tenantKey(envelope[1] ?? 0, context.tenantId);
    if (key === null) return 'unknown_key';
    const header = envelope.subarray(0, HEADER_BYTES);
    const nonce = envelope.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
    try {
      const sealed = envelope.subarray(HEADER_BYTES + NONCE_BYTES);
      return new Uint8Array(await crypto.subtle.decrypt(gcm(nonce, header, context), key, sealed));
    } catch {
      return 'not_authentic';
    }
  }

  async #tenantKey(entryId: number, tenantId: string): Promise<CryptoKey | null> {
    const entry = this.#ring.entries.get(entryId);
    if (entry === undefined) return null;
    const info = `keystead/envelope/v1/${tenantId}`;
    return this.#tenantKeys.getOrMake(`${entryId}/${tenantId}`, TENANT_KEY_BYTES, () =>
      deriveKey(entry, info, AES_256_GCM),
    );
  }
}

/** The parameters of AES-GCM. */
function gcm(iv: Uint8Array, header: Uint8Array, { tenantId, record, purpose }: EnvelopeContext) {
  // Each part is ASCII and has its length before it, so no two contexts give the same bytes.
  const parts = [purpose, tenantId, record];
  const length = header.length + parts.reduce((sum, part) => sum + 1 + part.length, 0);
  const additionalData = new Uint8Array(length);
  additionalData.set(header);
  let at = header.length;
  for (const part of parts) {
    additionalData[at] = part.length;
    ENCODER.encodeInto(part, additionalData.subarray(at + 1));
    at += 1 + part.length;
  }
  return { name: 'AES-GCM', iv, additionalData };
}

const ENCODER = new TextEncoder();
