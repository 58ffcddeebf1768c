/** The state in memory always agrees with storage, whether a write commits or not, and its size is accounted for. */
import { describe, expect, it } from 'vitest';
import { isolateMemory } from '../../domain/memory/budget.ts';
import { ENTRY_BYTES, LruCache } from '../../domain/memory/lru-cache.ts';
import { api, createKey, createTenant, getKey, verify } from '../support/api.ts';
import { hurryTimers, pretendTime } from '../support/clock.ts';
import { evict, sqlIn } from '../support/objects.ts';

pretendTime();
hurryTimers();

describe('a transaction that does not commit', () => {
  it('leaves every response as it was', async () => {
    await createTenant('rollback');
    const keys = [await createKey('rollback', { owner: 'o' }), await createKey('rollback', { owner: 'o' })];
    for (const key of keys) await verify(key.secret);
    // The audit entry is written last, so the other rows have been written by then.
    await sqlIn('rollback', "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END");
    const path = `/tenants/rollback/keys/${keys[0]?.id}`;
    const refused = [
      await api('POST', `${path}/revoke`),
      await api('POST', `${path}/rotate`, { gracePeriodSeconds: 0 }),
      await api('PATCH', path, { enabled: false }),
      await api('DELETE', path),
      await api('POST', '/tenants/rollback/keys/revoke', { owner: 'o' }),
      await api('PATCH', '/tenants/rollback', { status: 'disabled' }),
      await api('POST', '/tenants/rollback/keys', { name: 'never' }),
    ];
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]));
    for (const moment of ['at once', 'after an eviction']) {
      for (const key of keys) {
        expect((await verify(key.secret)).code, moment).toBe('VALID');
        expect(await getKey('rollback', key.id), moment).toMatchObject({ status: 'active', version: 1 });
      }
      expect((await api('GET', '/tenants/rollback/keys?offset=0')).body, moment).toMatchObject({ page: { total: 2 } });
      const counts = (await api('GET', '/tenants/rollback/keys/counts')).body;
      expect(counts, moment).toMatchObject({ active: 2, rotated: 0, revoked: 0, total: 2 });
      await evict('rollback');
    }
    await sqlIn('rollback', 'DROP TRIGGER refuse');
    expect((await api('POST', `${path}/revoke`)).status).toBe(200);
    expect((await verify(keys[0]?.secret ?? '')).code).toBe('REVOKED');
  });
});

describe('the memory of verified keys', () => {
  it('is accounted for by its size, in the Worker and in the object', async () => {
    await createTenant('strict-sizes', { settings: { leaseSeconds: 0 } });
    await createTenant('leased-sizes', { settings: { leaseSeconds: 10 } });
    const large = {
      scopes: Array.from({ length: 100 }, (_, i) => `${i}:`.padEnd(100, 's')),
      metadata: { m: 'm'.repeat(4000) },
    };
    const grownBy = async (tenantId: string, attributes: object) => {
      const { secret } = await createKey(tenantId, attributes);
      const before = isolateMemory.bytes;
      expect((await verify(secret)).code).toBe('VALID');
      const once = isolateMemory.bytes - before;
      expect((await verify(secret)).code).toBe('VALID');
      // Verifying a known key again keeps nothing more.
      expect(isolateMemory.bytes - before).toBe(once);
      return once;
    };
    // The first verification in each tenant also keeps the tenant's id.
    await grownBy('strict-sizes', {});
    await grownBy('leased-sizes', {});
    const [small, smallLeased] = [await grownBy('strict-sizes', {}), await grownBy('leased-sizes', {})];
    expect(small).toBeGreaterThan(1000);
    expect(small).toBeLessThan(2500);
    expect(smallLeased - small).toBeGreaterThan(1000);
    // The object keeps the scopes as a list and in a text of 14,000 characters. A lease keeps both once more.
    const [strict, leased] = [await grownBy('strict-sizes', large), await grownBy('leased-sizes', large)];
    expect(strict - small).toBeGreaterThan(24_000);
    expect(leased - strict).toBeGreaterThan(28_000);
  });

  it('drops the copy of the object first when an isolate holds the key', async () => {
    await createTenant('demoted', { settings: { leaseSeconds: 10 } });
    const { secret } = await createKey('demoted');
    await verify(secret);
    const grownBy = async (fields: object) => {
      const before = isolateMemory.bytes;
      expect((await verify(secret, fields)).code).toBe('VALID');
      return isolateMemory.bytes - before;
    };
    expect([await grownBy({}), await grownBy({ fresh: true })]).toEqual([0, 0]);
    // Fills all memory, and evicts a single entry.
    const filler = new LruCache<null>();
    const left = () => isolateMemory.bytesMax - isolateMemory.bytes;
    for (let i = 0; left() > 50_000; i++) filler.set(`${i}`, null, 40_000);
    filler.set('last', null, left() + 1 - ENTRY_BYTES);
    filler.clear();
    expect(await grownBy({})).toBe(0);
    expect(await grownBy({ fresh: true })).toBeGreaterThan(800);
  });

  it('is released when the key is deleted', async () => {
    await createTenant('dropped-sizes', { settings: { leaseSeconds: 0 } });
    const key = await createKey('dropped-sizes', { metadata: { m: 'm'.repeat(4000) } });
    await verify(key.secret);
    const before = isolateMemory.bytes;
    expect((await api('DELETE', `/tenants/dropped-sizes/keys/${key.id}`)).status).toBe(204);
    expect(before - isolateMemory.bytes).toBeGreaterThan(4000);
  });
});
