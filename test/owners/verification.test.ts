/** What owners mean for verifications of their keys. test/keys/lease-changes.test.ts has what changes wait for. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { isolateMemory } from '../../domain/memory/budget.ts';
import { keyWithSecret } from '../../src/api/keys/schemas.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import { api, createKey, createTenant, getKey, revokeKey, rotateKey, updateKey, verify } from '../support/api.ts';
import { advance, at, hurryTimers, pretendTime, START } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict, sqlIn } from '../support/objects.ts';

pretendTime();
hurryTimers();

const patchOwner = (tenantId: string, id: string, patch: object) =>
  api('PATCH', `/tenants/${tenantId}/owners/${id}`, patch);
const codeOf = async (secret: string) => (await verify(secret)).code;

async function manyKeys(tenantId: string, owner: string, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, () => ({ name: 'k', owner }));
  const { body } = await api('POST', `/tenants/${tenantId}/keys/bulk`, { keys });
  return v.parse(v.object({ data: v.array(keyWithSecret) }), body).data.map(({ secret }) => secret);
}

describe('a disabled owner', () => {
  it('stops all its keys and no others, and enabling lets them go on', async () => {
    await createTenant('stop');
    const [a, b] = [await createKey('stop', { owner: 'c' }), await createKey('stop', { owner: 'c' })];
    const [other, none] = [await createKey('stop', { owner: 'd' }), await createKey('stop')];
    const all = () => Promise.all([a, b, other, none].map(({ secret }) => codeOf(secret)));
    expect(await all()).toEqual(['VALID', 'VALID', 'VALID', 'VALID']);
    await patchOwner('stop', 'c', { enabled: false });
    expect(await all()).toEqual(['OWNER_DISABLED', 'OWNER_DISABLED', 'VALID', 'VALID']);
    await evict('stop');
    expect(await all()).toEqual(['OWNER_DISABLED', 'OWNER_DISABLED', 'VALID', 'VALID']);
    expect(await verify(a.secret)).toMatchObject({ valid: false, keyId: a.id, owner: 'c', warnings: [] });
    expect(await getKey('stop', a.id)).toMatchObject({ status: 'active', enabled: true, version: 1 });
    await patchOwner('stop', 'c', { enabled: true });
    expect(await all()).toEqual(['VALID', 'VALID', 'VALID', 'VALID']);
  });

  it('stops keys that are made, rotated or given to it later; a key that is taken from it is free', async () => {
    await createTenant('later');
    const first = await createKey('later', { owner: 'c' });
    await patchOwner('later', 'c', { enabled: false });
    const { key: successor } = await rotateKey('later', first.id, { gracePeriodSeconds: 60 });
    const [made, given] = [await createKey('later', { owner: 'c' }), await createKey('later')];
    expect(await codeOf(given.secret)).toBe('VALID');
    await updateKey('later', given.id, { owner: 'c' });
    for (const { secret } of [first, successor, made, given]) expect(await codeOf(secret)).toBe('OWNER_DISABLED');
    await updateKey('later', given.id, { owner: 'd' });
    expect(await verify(given.secret)).toMatchObject({ code: 'VALID', owner: 'd', ownerMetadata: {} });
  });

  it('stops each of many keys without a write to any of them', async () => {
    await createTenant('large');
    const secrets = await manyKeys('large', 'c', 250);
    for (const secret of secrets) expect(await codeOf(secret)).toBe('VALID');
    await patchOwner('large', 'c', { enabled: false });
    for (const secret of secrets) expect(await codeOf(secret)).toBe('OWNER_DISABLED');
    expect(await sqlIn('large', 'SELECT DISTINCT version FROM keys')).toEqual([{ version: 1 }]);
    await patchOwner('large', 'c', { enabled: true });
    for (const secret of secrets) expect(await codeOf(secret)).toBe('VALID');
  });

  it('is not leased, so enabling counts at once', async () => {
    await createTenant('unleased', { settings: { leaseSeconds: 10 } });
    const key = await createKey('unleased', { owner: 'c' });
    await patchOwner('unleased', 'c', { enabled: false });
    const { env: watched, calls } = faultyEnv();
    const ask = async () => {
      const { body } = await apiWith(watched, 'POST', '/keys/verify', { key: key.secret });
      return v.parse(verification, body).code;
    };
    for (let i = 0; i < 3; i++) expect(await ask()).toBe('OWNER_DISABLED');
    expect(calls).toEqual(['verifyKey', 'verifyKey', 'verifyKey']);
    await patchOwner('unleased', 'c', { enabled: true });
    expect(await ask()).toBe('VALID');
  });

  it('does not keep its keys from being read, changed and ended', async () => {
    await createTenant('ends');
    const key = await createKey('ends', { owner: 'c' });
    await patchOwner('ends', 'c', { enabled: false });
    await updateKey('ends', key.id, { name: 'n', expiresAt: at(START + 1000) });
    await revokeKey('ends', key.id);
    expect(await codeOf(key.secret)).toBe('REVOKED');
  });
});

describe('the metadata of an owner', () => {
  it('comes with each verification of its keys, also with refusals, and follows changes', async () => {
    await createTenant('told', { settings: { leaseSeconds: 1 } });
    const [key, none] = [await createKey('told', { owner: 'c', metadata: { own: 1 } }), await createKey('told')];
    expect(await verify(key.secret)).toMatchObject({ metadata: { own: 1 }, ownerMetadata: {} });
    await patchOwner('told', 'c', { metadata: { plan: 'gold' } });
    // The change has waited for the lease, while the test's clock stood still.
    advance(1000);
    for (let i = 0; i < 3; i++) {
      expect(await verify(key.secret)).toMatchObject({ metadata: { own: 1 }, ownerMetadata: { plan: 'gold' } });
    }
    expect(await verify(key.secret, { scopes: ['x'] })).toMatchObject({ ownerMetadata: { plan: 'gold' } });
    expect(await verify(none.secret)).not.toHaveProperty('ownerMetadata');
    await patchOwner('told', 'c', { metadata: null });
    advance(1000);
    expect(await verify(key.secret)).toMatchObject({ ownerMetadata: {} });
  });

  it('is accounted for in the memory of the object and of the Worker', async () => {
    for (const [tenantId, leaseSeconds] of [
      ['sizes-strict', 0],
      ['sizes-leased', 10],
    ] as const) {
      await createTenant(tenantId, { settings: { leaseSeconds } });
      const grownBy = async (owner: string, metadata: object) => {
        await api('POST', `/tenants/${tenantId}/owners`, { id: owner, metadata });
        const { secret } = await createKey(tenantId, { owner });
        const before = isolateMemory.bytes;
        await verify(secret);
        return isolateMemory.bytes - before;
      };
      await grownBy('warm', {});
      const [small, large] = [await grownBy('a', {}), await grownBy('b', { m: 'm'.repeat(4000) })];
      expect(large - small).toBeGreaterThan(leaseSeconds === 0 ? 4000 : 12_000);
    }
  });
});

describe('a change of an owner that does not commit', () => {
  it('leaves every verification as it was', async () => {
    await createTenant('undone');
    const key = await createKey('undone', { owner: 'c' });
    expect(await codeOf(key.secret)).toBe('VALID');
    await sqlIn('undone', "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect((await patchOwner('undone', 'c', { enabled: false, metadata: { a: 1 } })).status).toBe(503);
    expect(await verify(key.secret)).toMatchObject({ code: 'VALID', ownerMetadata: {} });
    await evict('undone');
    expect(await verify(key.secret)).toMatchObject({ code: 'VALID', ownerMetadata: {} });
  });
});

describe('the state of an owner', () => {
  it('is read with its key and not again at each verification', async () => {
    await createTenant('reads');
    const [owned, free] = [await createKey('reads', { owner: 'c' }), await createKey('reads')];
    for (const { secret } of [owned, free, owned, free]) expect(await codeOf(secret)).toBe('VALID');
    // Nothing but memory is asked now: a row that is changed behind its back makes no difference.
    await sqlIn('reads', 'UPDATE owners SET enabled = 0, metadata = \'{"a":1}\'');
    expect(await verify(owned.secret)).toMatchObject({ code: 'VALID', ownerMetadata: {} });
    await evict('reads');
    expect(await verify(owned.secret)).toMatchObject({ code: 'OWNER_DISABLED', ownerMetadata: { a: 1 } });
  });
});
