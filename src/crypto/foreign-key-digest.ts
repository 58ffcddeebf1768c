/**
 * Digests of keys that were issued elsewhere. Whoever brings such keys has hashes of the key strings, and whoever reads
 * a plain hash can try key strings on it: keys of other makers may be short or follow a pattern. So the record keeps a
 * keyed digest of the hash. Without HMAC_SECRET a copy of the database does not tell whether a guess is right, and
 * somebody who can write to it cannot add a key string. The digest differs from tenant to tenant, so that it proves
 * nothing in another one. It is not bound to the id of the key, since the key is found by it: whoever can write to the
 * database can move it to another record of the tenant, and could as well change the record that has it.
 *
 * The hash is not kept, so a digest cannot be made anew when HMAC_SECRET gets another current entry. The record says
 * which entry made it, and a verification computes the digest of each entry in the keyring, which has 16 at most.
 */
import { deriveKey, HMAC_SHA_256 } from './derived-key.ts';
import type { Keyring, KeyringEntry } from './keyring.ts';

const INFO = 'keystead/foreign-key/v1';
/** As many as of a key of our own: 160 bits. */
const DIGEST_BYTES = 20;
/** SHA-256. */
export const HASH_BYTES = 32;

export class ForeignKeyDigester {
  readonly #ring: Keyring;
  #keys: Promise<readonly CryptoKey[]> | null = null;

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  /** The keyring entry of the first digest. */
  get currentId(): number {
    return this.#ring.current.id;
  }

  /** The digests of a SHA-256 hash for a tenant: by the current entry of the keyring, then by the others. */
  async ofHash(tenantId: string, hash: Uint8Array): Promise<Uint8Array[]> {
    this.#keys ??= this.#deriveKeys();
    // A tenant id has no space, so no two pairs give the same message.
    const tenant = new TextEncoder().encode(`${tenantId} `);
    const message = new Uint8Array(tenant.length + hash.length);
    message.set(tenant);
    message.set(hash, tenant.length);
    const digests: Uint8Array[] = [];
    for (const key of await this.#keys) {
      digests.push(new Uint8Array(await crypto.subtle.sign('HMAC', key, message)).slice(0, DIGEST_BYTES));
    }
    return digests;
  }

  /** The same of a key string. */
  async ofKeyString(tenantId: string, text: string): Promise<Uint8Array[]> {
    return this.ofHash(tenantId, new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
  }

  #deriveKeys(): Promise<readonly CryptoKey[]> {
    const { current, entries } = this.#ring;
    const others: KeyringEntry[] = [...entries.values()].filter(({ id }) => id !== current.id);
    return Promise.all([current, ...others].map((entry) => deriveKey(entry, INFO, HMAC_SHA_256)));
  }
}
