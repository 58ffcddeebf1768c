/** Plans: the resource, which keys have one, and what it means for their verifications. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { planResource } from '../../src/api/plans/schemas.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import { api, createKey, createTenant, getKey, revokeKey, rotateKey, updateKey, verify, walk } from '../support/api.ts';
import { as, managementKey, outcomeOf } from '../support/callers.ts';
import { advance, hurryTimers, pretendTime } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict, sqlIn } from '../support/objects.ts';

pretendTime();
hurryTimers();

const FREE = { id: 'free', rateLimits: [{ name: 'calls', limit: 2, windowSeconds: 60 }] };
const PRO = { id: 'pro', rateLimits: [{ name: 'calls', limit: 4, windowSeconds: 60 }] };

async function createPlan(tenantId: string, input: object) {
  const { status, body } = await api('POST', `/tenants/${tenantId}/plans`, input);
  expect(status, JSON.stringify(body)).toBe(201);
  return v.parse(planResource, body);
}
const plan = (tenantId: string, id: string) => `/tenants/${tenantId}/plans/${id}`;
const codesOf = async (secret: string, times: number, input: object = {}) => {
  const codes: string[] = [];
  for (let i = 0; i < times; i++) codes.push((await verify(secret, input)).code);
  return codes;
};

describe('a plan', () => {
  it('is created, read, listed, changed by version, and deleted, each change with its audit entry', async () => {
    await createTenant('crud');
    const full = { per: 'key', automatic: true };
    const created = await createPlan('crud', { ...FREE, name: 'Free', allowedScopes: ['a:*', 'a:*'] });
    expect(created).toMatchObject({
      id: 'free',
      tenantId: 'crud',
      name: 'Free',
      rateLimits: [{ ...FREE.rateLimits[0], ...full }],
      quotas: [],
      allowedScopes: ['a:*'],
      createdBy: { type: 'admin_token', id: 'admin' },
      version: 1,
    });
    await createPlan('crud', { id: 'b' });
    expect((await api('GET', plan('crud', 'free'))).headers.get('ETag')).toBe('"1"');
    expect((await walk('/tenants/crud/plans?limit=1&order=asc')).map(({ id }) => id)).toEqual(['free', 'b']);
    const patch = (body: object, version: number) =>
      api('PATCH', plan('crud', 'free'), body, { 'If-Match': `"${version}"` });
    expect(outcomeOf(await patch({ name: null }, 2))).toBe('412 precondition_failed');
    const { body } = await patch({ name: null, rateLimits: null, allowedScopes: null }, 1);
    expect(body).toMatchObject({ name: null, rateLimits: [], allowedScopes: null, version: 2 });
    expect((await patch({ name: null }, 2)).body).toMatchObject({ version: 2 });
    expect((await api('DELETE', plan('crud', 'free'))).status).toBe(204);
    expect(outcomeOf(await api('GET', plan('crud', 'free')))).toBe('404 plan_not_found');
    const entries = await walk('/tenants/crud/audit');
    expect(entries.map(({ action, changes }) => [action, changes]).slice(0, 4)).toEqual([
      ['plan.delete', { plan: 'free', name: null }],
      [
        'plan.update',
        {
          plan: 'free',
          name: { from: 'Free', to: null },
          rateLimits: { from: created.rateLimits, to: [] },
          allowedScopes: { from: ['a:*'], to: null },
        },
      ],
      ['plan.create', { plan: 'b', name: null, rateLimits: [], quotas: [], allowedScopes: null }],
      [
        'plan.create',
        { plan: 'free', name: 'Free', rateLimits: created.rateLimits, quotas: [], allowedScopes: ['a:*'] },
      ],
    ]);
  });

  it('is created once, has limits that go together, and there are at most 1,000', async () => {
    await createTenant('many');
    const refused = async (input: object) => outcomeOf(await api('POST', '/tenants/many/plans', input));
    await createPlan('many', FREE);
    expect(await refused(FREE)).toBe('409 plan_exists');
    expect(await refused({ id: 'x', rateLimits: [...FREE.rateLimits, ...FREE.rateLimits] })).toBe(
      '422 validation_failed',
    );
    expect(await refused({ id: 'a/b' })).toBe('422 validation_failed');
    await sqlIn(
      'many',
      `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 998)
       INSERT INTO plans (id, created_at, created_by, updated_at, version)
       SELECT 'n' || value, 1, 'admin', 1, 1 FROM n`,
    );
    await createPlan('many', { id: 'last' });
    expect(await refused({ id: 'one-more' })).toBe('409 too_many_plans');
  });

  it('is not deleted while a key that is not revoked, or an owner, has it', async () => {
    await createTenant('used');
    await createPlan('used', FREE);
    const remove = async () => outcomeOf(await api('DELETE', plan('used', 'free')));
    const key = await createKey('used', { plan: 'free' });
    expect(await remove()).toBe('409 plan_in_use');
    await revokeKey('used', key.id);
    await api('POST', '/tenants/used/owners', { id: 'c', plan: 'free' });
    expect(await remove()).toBe('409 plan_in_use');
    await api('PATCH', '/tenants/used/owners/c', { plan: null });
    expect(await remove()).toBe('204');
    expect((await verify(key.secret)).code).toBe('REVOKED');
  });

  it('must exist when a key or an owner is to have it', async () => {
    await createTenant('exists');
    const key = await createKey('exists');
    const none = { plan: 'none' };
    const bulk = await api('POST', '/tenants/exists/keys/bulk', { keys: [{ name: 'a' }, { name: 'b', ...none }] });
    expect(bulk.body).toMatchObject({ code: 'validation_failed', errors: [{ path: 'keys.1.plan' }] });
    for (const [method, path, body] of [
      ['POST', 'keys', { name: 'k', ...none }],
      ['PATCH', `keys/${key.id}`, none],
      ['POST', `keys/${key.id}/rotate`, none],
      ['POST', 'owners', { id: 'c', ...none }],
    ] as const) {
      expect(outcomeOf(await api(method, `/tenants/exists/${path}`, body)), path).toBe('422 validation_failed');
    }
  });
});

describe('the keys of a plan', () => {
  it('have its limits, each for itself, and tell the plan', async () => {
    await createTenant('limits');
    await createPlan('limits', FREE);
    const [a, b] = [await createKey('limits', { plan: 'free' }), await createKey('limits', { plan: 'free' })];
    expect(await getKey('limits', a.id)).toMatchObject({ plan: 'free', rateLimits: [] });
    expect(await verify(a.secret)).toMatchObject({ plan: 'free', limits: [{ name: 'calls', limit: 2, remaining: 1 }] });
    expect(await codesOf(a.secret, 2)).toEqual(['VALID', 'RATE_LIMITED']);
    expect(await codesOf(b.secret, 2)).toEqual(['VALID', 'VALID']);
    expect(await verify((await createKey('limits')).secret)).not.toHaveProperty('plan');
  });

  it('are those that name it, and those of an owner that has it and name none', async () => {
    await createTenant('owners');
    for (const each of [FREE, PRO]) await createPlan('owners', each);
    await api('POST', '/tenants/owners/owners', { id: 'c', plan: 'pro' });
    const own = await createKey('owners', { owner: 'c', plan: 'free' });
    const inherited = await createKey('owners', { owner: 'c' });
    const planOf = async (secret: string) => (await verify(secret, { cost: 0 })).plan;
    expect(await planOf(own.secret)).toBe('free');
    expect(await planOf(inherited.secret)).toBe('pro');
    await api('PATCH', '/tenants/owners/owners/c', { plan: 'free' });
    expect(await planOf(inherited.secret)).toBe('free');
    await evict('owners');
    expect(await planOf(inherited.secret)).toBe('free');
    await updateKey('owners', own.id, { plan: null });
    await api('PATCH', '/tenants/owners/owners/c', { plan: null });
    expect(await verify(own.secret)).not.toHaveProperty('limits');
  });

  it('may have limits of their own, which replace those of the same name', async () => {
    await createTenant('both');
    await createPlan('both', { ...FREE, quotas: [{ name: 'daily', limit: 9, period: 'day' }] });
    const own = { plan: 'free', rateLimits: [{ name: 'calls', limit: 7, windowSeconds: 60 }] };
    const { secret } = await createKey('both', own);
    expect((await verify(secret)).limits).toMatchObject([
      { name: 'calls', limit: 7, remaining: 6 },
      { name: 'daily', limit: 9, remaining: 8 },
    ]);
  });

  it('do what its scopes and their own allow', async () => {
    await createTenant('scopes');
    await createPlan('scopes', { id: 'read', allowedScopes: ['a:read', 'b:*'] });
    const { secret } = await createKey('scopes', { plan: 'read', scopes: ['a:*'] });
    expect(await codesOf(secret, 1, { scopes: ['a:read'] })).toEqual(['VALID']);
    expect(await codesOf(secret, 1, { scopes: ['a:write'] })).toEqual(['INSUFFICIENT_SCOPES']);
    expect(await codesOf(secret, 1, { scopes: ['b:read'] })).toEqual(['INSUFFICIENT_SCOPES']);
  });

  it('gain no allowance by a change of plan or a rotation', async () => {
    await createTenant('moves');
    for (const each of [FREE, PRO]) await createPlan('moves', each);
    const key = await createKey('moves', { plan: 'free' });
    await codesOf(key.secret, 2);
    await updateKey('moves', key.id, { plan: 'pro' });
    expect(await codesOf(key.secret, 1)).toEqual(['VALID']);
    const { key: successor } = await rotateKey('moves', key.id);
    expect(successor).toMatchObject({ plan: 'pro' });
    expect(await codesOf(successor.secret, 2)).toEqual(['VALID', 'RATE_LIMITED']);
    await updateKey('moves', successor.id, { plan: 'free' });
    await updateKey('moves', successor.id, { plan: 'pro' });
    expect(await codesOf(successor.secret, 1)).toEqual(['RATE_LIMITED']);
  });

  it('cannot be moved to another plan, or get more than theirs, by whoever may only rotate', async () => {
    await createTenant('rights');
    for (const each of [FREE, PRO]) await createPlan('rights', each);
    const { id } = await createKey('rights', { plan: 'pro' });
    const rotator = as((await managementKey({ permissions: ['keys:rotate'] })).secret);
    const replacing = { rateLimits: [{ name: 'calls', limit: 1000, windowSeconds: 60 }] };
    for (const wider of [{ plan: 'free' }, { plan: null }, replacing]) {
      const rotated = await api('POST', `/tenants/rights/keys/${id}/rotate`, wider, rotator);
      expect(outcomeOf(rotated), JSON.stringify(wider)).toBe('403 forbidden keys:update');
    }
  });
});

describe('a change of a plan', () => {
  it('is one write, and counts for all its keys when it has returned', async () => {
    await createTenant('change');
    await createPlan('change', FREE);
    const keys = Array.from({ length: 5 }, () => ({ name: 'k', plan: 'free' }));
    const { body } = await api('POST', '/tenants/change/keys/bulk', { keys });
    const made = v.parse(v.object({ data: v.array(v.object({ secret: v.string() })) }), body).data;
    for (const { secret } of made) expect(await codesOf(secret, 3)).toEqual(['VALID', 'VALID', 'RATE_LIMITED']);
    await api('PATCH', plan('change', 'free'), { rateLimits: PRO.rateLimits });
    for (const { secret } of made) expect(await codesOf(secret, 3)).toEqual(['VALID', 'VALID', 'RATE_LIMITED']);
    await api('PATCH', plan('change', 'free'), { rateLimits: FREE.rateLimits });
    for (const { secret } of made) expect(await codesOf(secret, 1)).toEqual(['RATE_LIMITED']);
    expect(await sqlIn('change', 'SELECT DISTINCT version FROM keys')).toEqual([{ version: 1 }]);
  });

  it('ends leases on its keys, which are leased while the plan has no limits', async () => {
    await createTenant('leased', { settings: { leaseSeconds: 1 } });
    await createPlan('leased', { id: 'open', allowedScopes: ['a'] });
    const { secret } = await createKey('leased', { plan: 'open', scopes: ['*'] });
    const { env: watched, calls } = faultyEnv();
    const ask = async (scope: string) => {
      const { body } = await apiWith(watched, 'POST', '/keys/verify', { key: secret, scopes: [scope] });
      return v.parse(verification, body).code;
    };
    await ask('a');
    await ask('a');
    const before = calls.length;
    // Decided from memory, by the scopes of the plan too.
    expect(await ask('a')).toBe('VALID');
    expect(await ask('b')).toBe('INSUFFICIENT_SCOPES');
    expect(calls.length).toBe(before);
    await api('PATCH', plan('leased', 'open'), { allowedScopes: ['b'], ...FREE, id: undefined });
    // The change has waited for the lease, while the test's clock stood still.
    advance(1000);
    expect(await ask('a')).toBe('INSUFFICIENT_SCOPES');
    expect([await ask('b'), await ask('b'), await ask('b')]).toEqual(['VALID', 'VALID', 'RATE_LIMITED']);
  });

  it('that does not commit leaves every verification as it was', async () => {
    await createTenant('undone');
    await createPlan('undone', FREE);
    const { secret } = await createKey('undone', { plan: 'free' });
    await verify(secret);
    await sqlIn('undone', "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect((await api('PATCH', plan('undone', 'free'), { rateLimits: null })).status).toBe(503);
    expect(await codesOf(secret, 2)).toEqual(['VALID', 'RATE_LIMITED']);
  });
});
