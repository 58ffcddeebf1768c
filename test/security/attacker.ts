/** What an attacker who has the databases can do: read everything, write rows. */
import { runInDurableObject } from 'cloudflare:test';
import { expect } from 'vitest';
import { evict, sqlIn, tenantObject } from '../support/objects.ts';

/** Everything that is stored of a tenant: each value of each row of each table. */
export async function everythingStored(tenantId: string): Promise<SqlStorageValue[]> {
  return runInDurableObject(await tenantObject(tenantId), (_, state) => {
    const { sql } = state.storage;
    const tables = sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*'")
      .toArray();
    expect(tables.length).toBeGreaterThan(5);
    return tables.flatMap(({ name }) => sql.exec(`SELECT * FROM ${name}`).toArray().flatMap(Object.values));
  });
}

export type StoredKey = { readonly digest: Uint8Array; readonly envelope: Uint8Array | null };

/** The digest that a key's record holds. */
export async function storedKey(tenantId: string, keyId: string): Promise<StoredKey> {
  const [row] = await sqlIn(tenantId, 'SELECT digest, envelope FROM keys WHERE id = ?', keyId);
  const { digest, envelope = null } = row ?? {};
  if (!(digest instanceof ArrayBuffer)) throw new Error('no such row');
  return {
    digest: new Uint8Array(digest),
    envelope: envelope instanceof ArrayBuffer ? new Uint8Array(envelope) : null,
  };
}

export const buffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

/** Writes a row for a key, as only the object should. */
export async function insertKey(
  tenantId: string,
  key: { readonly id: string; readonly prefix: string; readonly digest: Uint8Array; readonly envelope?: Uint8Array },
  metadata: string | null = null,
): Promise<void> {
  await sqlIn(
    tenantId,
    `INSERT INTO keys (id, name, prefix, last_four, enabled, created_at, updated_at, version, digest, envelope,
       sealing_key_id, signing_key_id, status, metadata)
     VALUES (?, 'planted', ?, 'abcd', 1, 0, 0, 1, ?, ?, 1, 1, 'active', ?)`,
    key.id,
    key.prefix,
    buffer(key.digest),
    key.envelope === undefined ? null : buffer(key.envelope),
    metadata,
  );
}

/** Makes a tenant's object take itself for another tenant's. */
export async function renameTenant(tenantId: string, to: string): Promise<void> {
  await sqlIn(tenantId, 'UPDATE tenant SET id = ?', to);
  await evict(tenantId);
}
