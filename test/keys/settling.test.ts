/**
 * What an object writes a few seconds later, without a request: uses of keys, and that no lease is out any more. After
 * that the object may be evicted at any time. (test/process/eviction.test.ts waits for a real eviction.)
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import type { Directory } from '../../durable-objects/directory/directory.ts';
import { logged } from '../http/client.ts';
import { api, createKey, createTenant, getKey, rotateKey, verify, walk } from '../support/api.ts';
import { advance, at, hurryTimers, pretendTime, START, untilTimersRan as untilSettled } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { command, evict, sqlIn, tenantObject } from '../support/objects.ts';

pretendTime();
hurryTimers();

const leased = (tenantId: string) => createTenant(tenantId, { settings: { leaseSeconds: 1 } });

const mayHaveLeases = async (tenantId: string) =>
  (await sqlIn(tenantId, 'SELECT leases_out FROM tenant'))[0]?.leases_out === 1;

describe('a few seconds after a verification', () => {
  it('its use is written, also the first use of a successor', async () => {
    await createTenant('s-uses');
    const old = await createKey('s-uses');
    const { key } = await rotateKey('s-uses', old.id);
    advance(90_000);
    await verify(key.secret);
    await untilSettled();
    await evict('s-uses');
    expect((await getKey('s-uses', key.id)).lastUsedAt).toBe(at(START + 60_000));
    expect(await walk('/tenants/s-uses/rotations')).toMatchObject([{ successorFirstUsedAt: at(START + 90_000) }]);
  });

  it('the object records that no lease is out any more, and not before', async () => {
    await leased('s-over');
    await leased('s-out');
    expect(await mayHaveLeases('s-over')).toBe(false);
    await verify((await createKey('s-over')).secret);
    expect(await mayHaveLeases('s-over')).toBe(true);
    advance(2000);
    await verify((await createKey('s-out')).secret);
    await untilSettled();
    expect([await mayHaveLeases('s-over'), await mayHaveLeases('s-out')]).toEqual([false, true]);
  });

  it('an object that was restarted meanwhile records it too', async () => {
    await leased('s-anew');
    // Simulates a crash, because the test runtime evicts no object that has a timer running.
    await sqlIn('s-anew', 'UPDATE tenant SET leases_out = 1');
    await evict('s-anew');
    await api('GET', '/tenants/s-anew');
    expect(await mayHaveLeases('s-anew')).toBe(true);
    advance(2000);
    await untilSettled();
    expect(await mayHaveLeases('s-anew')).toBe(false);
  });
});

describe('a creation', () => {
  it('waits for leases on an earlier tenant of its id whose deletion is not finished', async () => {
    const { id } = await leased('s-again');
    const key = await createKey(id);
    // An object that knows all leases that can exist.
    advance(20_000);
    await verify(key.secret);
    const object = await tenantObject(id);
    const described = await object.describe({ tenantId: id, bound: null });
    if (!described.ok) throw new Error('no tenant');
    const { incarnation } = described.value;
    // The bindings' own type is narrower than the platform's stub, which the helpers of cloudflare:test need.
    const directory = env.DIRECTORY.get(
      env.DIRECTORY.idFromName('directory'),
    ) as unknown as DurableObjectStub<Directory>;
    await runInDurableObject(directory, (_, { storage }) => {
      storage.sql.exec(`UPDATE tenants SET deleting = '{}', attempt_at = ? WHERE id = ?`, Date.now() + 60_000, id);
      storage.sql.exec(`INSERT INTO tenants (id, incarnation, added_at) VALUES (?, 'inc_next', 0)`, id);
    });
    const askedAt = performance.now();
    const destroyed = object.destroy(incarnation);
    const created = await object.create(
      { tenantId: id, incarnation: 'inc_next' },
      { name: '', settings: {} },
      command('op_settling'),
    );
    expect(created.ok).toBe(true);
    expect(performance.now() - askedAt).toBeGreaterThan(1000);
    await destroyed;
  });
});

describe('an object that deletes its tenant', () => {
  it('returns that there is no tenant when no isolate has a lease on it', async () => {
    const { id } = await leased('s-gone');
    await verify((await createKey(id)).secret);
    const object = await tenantObject(id);
    const described = await object.describe({ tenantId: id, bound: null });
    if (!described.ok) throw new Error('no tenant');
    const askedAt = performance.now();
    const destroyed = object.destroy(described.value.incarnation);
    const again = await object.describe({ tenantId: id, bound: null });
    expect(again.ok).toBe(false);
    expect(performance.now() - askedAt).toBeGreaterThan(1000);
    await destroyed;
  });
});

describe('a call whose response was lost', () => {
  it('takes effect once when it is repeated, and returns the first result', async () => {
    await createTenant('s-lost');
    const [a, b] = [await createKey('s-lost'), await createKey('s-lost')];
    const lost = (method: string) => faultyEnv({ method, when: 'after', times: 1, retryable: true }).env;
    const path = '/tenants/s-lost/keys';
    const revoked = await apiWith(lost('revokeKeys'), 'POST', `${path}/revoke`, { ids: [a.id, b.id] });
    expect(revoked.body).toEqual({ revoked: 2 });
    await apiWith(lost('createKeys'), 'POST', path, { name: 'once' });
    expect(await walk(path)).toHaveLength(3);
    expect(await walk('/tenants/s-lost/audit')).toHaveLength(6);
  });
});

describe('a tenant row that was renamed in the database', () => {
  it('opens nothing with the keys of its object, because their signature names another place', async () => {
    await createTenant('s-moved');
    const { secret } = await createKey('s-moved');
    await sqlIn('s-moved', `UPDATE tenant SET id = 's-other'`);
    await evict('s-moved');
    const log = logged();
    expect((await verify(secret)).code).toBe('NOT_FOUND');
    expect(log.join()).toContain('tenant_in_wrong_place');
    vi.restoreAllMocks();
  });
});
