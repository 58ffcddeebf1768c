/**
 * Envelopes: what Keystead keeps encrypted at rest.
 *
 *   offset  bytes
 *    0       1    envelope version, 1: AES-256-GCM, HKDF-SHA-256
 *    1       1    keyring entry of ENCRYPTION_KEY
 *    2      12    nonce, random
 *   14       n    ciphertext
 *   14+n    16    tag
 *
 * Each tenant has its own AES key. A random 96-bit nonce is safe for 2^32 envelopes under one key (NIST SP 800-38D, 8.3), more than a tenant's database
 * holds. The additional data binds an envelope to its tenant, record and purpose, so that one moved to another row does not open.
 */
import { LruCache } from '../../domain/memory/lru-cache.ts';
import { AES_256_GCM, deriveKey } from './derived-key.ts';
import type { Keyring } from './keyring.ts';

const ENVELOPE_VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 2;

/**
 * What an envelope belongs to. `record` is the key id for a stored key string, the digest of caller, route and `Idempotency-Key` for the key
 * strings of a kept answer.
 */
export type EnvelopeContext = {
  readonly tenantId: string;
  readonly record: string;
  readonly purpose: 'key' | 'answer';
};

/** Why an envelope does not open. Which of a wrong key, moved or altered it is, AES-GCM cannot tell. */
export type EnvelopeFault = 'malformed' | 'unsupported_version' | 'unknown_key' | 'not_authentic';

/** A derived key with the tenant's id: nearly all of it is outside of the heap. */
const TENANT_KEY_BYTES = 2000;

export class Sealer {
  readonly #ring: Keyring;
  readonly #tenantKeys = new LruCache<Promise<CryptoKey>>();

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** Keyring entry that new envelopes are sealed with. */
  get currentId(): number {
    return this.#ring.current.id;
  }

  /** Seals with the current entry. */
  async seal(plaintext: Uint8Array, context: EnvelopeContext): Promise<Uint8Array> {
    const key = await this.#tenantKey(this.#ring.current.id, context.tenantId);
    if (key === null) throw new Error('the current keyring entry is missing');
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const header = Uint8Array.of(ENVELOPE_VERSION, this.#ring.current.id);
    const sealed = await crypto.subtle.encrypt(gcm(nonce, header, context), key, plaintext);
    const envelope = new Uint8Array(HEADER_BYTES + NONCE_BYTES + sealed.byteLength);
    envelope.set(header);
    envelope.set(nonce, HEADER_BYTES);
    envelope.set(new Uint8Array(sealed), HEADER_BYTES + NONCE_BYTES);
    return envelope;
  }

  /** The plaintext, or why there is none. */
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

function gcm(iv: Uint8Array, header: Uint8Array, { tenantId, record, purpose }: EnvelopeContext) {
  // Length-prefixed parts, all of them ASCII: no two contexts give the same bytes.
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
