/**
 * Migrations are applied completely or not at all. test/process/upgrade tests that databases of earlier versions open.
 */
import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { databaseVersion, migrate, NEWER_DATABASE } from '../../durable-objects/sql/migrate.ts';
import { TENANT_MIGRATIONS } from '../../durable-objects/tenant/migrations.ts';
import { createTenant } from '../support/api.ts';
import { tenantObject } from '../support/objects.ts';

const NEXT = 'CREATE TABLE next (x INTEGER) STRICT; INSERT INTO next VALUES (1);';

/** Runs a function with the storage of a tenant's object. */
async function inTenant(id: string, run: (storage: DurableObjectStorage) => void): Promise<void> {
  await createTenant(id);
  await runInDurableObject(await tenantObject(id), (_, { storage }) => run(storage));
}

const hasNext = ({ sql }: DurableObjectStorage) =>
  sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'next'").toArray().length > 0;

describe('migrations', () => {
  it('bring a database to the newest version, once', async () => {
    await inTenant('migrated', (storage) => {
      const before = databaseVersion(storage.sql);
      expect(before).toBe(TENANT_MIGRATIONS.length);
      migrate(storage, [...TENANT_MIGRATIONS, NEXT], before);
      expect([databaseVersion(storage.sql), hasNext(storage)]).toEqual([before + 1, true]);
      migrate(storage, [...TENANT_MIGRATIONS, NEXT], before + 1);
      expect(storage.sql.exec('SELECT count(*) AS n FROM next').one().n).toBe(1);
    });
  });

  it('leave nothing behind when one of them fails', async () => {
    await inTenant('half-migrated', (storage) => {
      const before = databaseVersion(storage.sql);
      const broken = [...TENANT_MIGRATIONS, NEXT, 'INSERT INTO nowhere VALUES (1)'];
      expect(() => migrate(storage, broken, before)).toThrow('nowhere');
      expect([databaseVersion(storage.sql), hasNext(storage)]).toEqual([before, false]);
    });
  });

  it('refuse a database of a later version', async () => {
    await inTenant('from-the-future', (storage) => {
      expect(() => migrate(storage, TENANT_MIGRATIONS, TENANT_MIGRATIONS.length + 1)).toThrow(NEWER_DATABASE);
    });
  });
});
