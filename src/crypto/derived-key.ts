/**
 * Keys derived from a keyring entry, one for each purpose (HKDF-SHA-256, RFC 5869). So no secret is used in two
 * ways, and a derived key reveals nothing about the others. The salt is empty, as RFC 5869 section 3.1 allows; the
 * secret is itself random.
 */
import type { KeyringEntry } from './keyring.ts';

type Algorithm = { name: 'HMAC'; hash: 'SHA-256'; length: 256 } | { name: 'AES-GCM'; length: 256 };

const USAGES = { HMAC: ['sign'], 'AES-GCM': ['encrypt', 'decrypt'] } as const;
export const HMAC_SHA_256: Algorithm = { name: 'HMAC', hash: 'SHA-256', length: 256 };
export const AES_256_GCM: Algorithm = { name: 'AES-GCM', length: 256 };

/** The key for a purpose. `info` names the purpose and its version. */
export async function deriveKey(entry: KeyringEntry, info: string, algorithm: Algorithm): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey('raw', entry.secret, 'HKDF', false, ['deriveKey']);
  const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(info) };
  return crypto.subtle.deriveKey(hkdf, base, algorithm, false, [...USAGES[algorithm.name]]);
}
