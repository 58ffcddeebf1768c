/**
 * Rights cannot be combined to exceed a caller's own: by rotations, by a caller whose key expires, by a caller confined
 * to a tenant.
 */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { managementKeyResource, managementRotationResult } from '../../src/api/management-keys/schemas.ts';
import { api, createKey, createTenant, getKey, updateKey, verify, walk } from '../support/api.ts';
import {
  as,
  managementKey,
  outcomeOf,
  tamperWithManagementKeys,
  withoutLeasesOnManagementKeys,
} from '../support/callers.ts';
import { at, pretendTime, START } from '../support/clock.ts';
import { apiWith } from '../support/faults.ts';

pretendTime();

const HOUR_MS = 3_600_000;
const FORBIDDEN_TO_WIDEN = '403 forbidden keys:update';
beforeAll(withoutLeasesOnManagementKeys);

let tenants = 0;
let tenant = '';

beforeEach(async () => {
  tenant = `rights-${tenants++}`;
  await createTenant(tenant);
});

describe('a rotation', () => {
  const attributes = {
    scopes: ['invoices:*', 'users:read'],
    metadata: { plan: 'free' },
    expiresAt: at(START + HOUR_MS),
  };
  const rotate = (keyId: string, caller: string, body: object, headers = {}) =>
    api('POST', `/tenants/${tenant}/keys/${keyId}/rotate`, body, { ...as(caller), ...headers });

  it('with keys:rotate alone may narrow the key, rename it and shorten its life', async () => {
    const { secret } = await managementKey({ permissions: ['keys:rotate'] });
    for (const overrides of [
      {},
      { name: 'another' },
      { scopes: ['invoices:read', 'invoices:lines:*', 'users:read'] },
      { scopes: [] },
      { scopes: null },
      { expiresAt: at(START + HOUR_MS) },
      { expiresAt: at(START + HOUR_MS - 1) },
      { metadata: attributes.metadata },
      // A long grace period does not keep the old key valid beyond its own expiry.
      { gracePeriodSeconds: 31_536_000 },
    ]) {
      const key = await createKey(tenant, attributes);
      expect(outcomeOf(await rotate(key.id, secret, overrides)), JSON.stringify(overrides)).toBe('201');
    }
    const endless = await createKey(tenant);
    expect(outcomeOf(await rotate(endless.id, secret, { expiresAt: null }))).toBe('201');
  });

  const WIDER = [
    { scopes: ['*'], expiresAt: null },
    { scopes: ['*'] },
    { scopes: ['users:*'] },
    { scopes: ['invoices'] },
    { expiresAt: null },
    { expiresAt: at(START + HOUR_MS + 1) },
    { metadata: { plan: 'gold' } },
    { metadata: {} },
    { metadata: null },
  ];

  it('with keys:rotate alone cannot widen the key, and a refused rotation changes nothing', async () => {
    const { secret } = await managementKey({ permissions: ['keys:rotate', 'keys:revoke', 'keys:read'] });
    const key = await createKey(tenant, attributes);
    for (const overrides of WIDER) {
      expect(outcomeOf(await rotate(key.id, secret, overrides)), JSON.stringify(overrides)).toBe(FORBIDDEN_TO_WIDEN);
    }
    expect(await getKey(tenant, key.id)).toMatchObject({ status: 'active', version: 1 });
    expect((await walk(`/tenants/${tenant}/audit`)).map(({ action }) => action)).toEqual([
      'key.create',
      'tenant.create',
    ]);
  });

  it('may widen the key for a caller who may update or create keys', async () => {
    for (const further of ['keys:update', 'keys:create']) {
      const { secret } = await managementKey({ permissions: ['keys:rotate', further] });
      for (const overrides of WIDER) {
        const key = await createKey(tenant, attributes);
        expect(outcomeOf(await rotate(key.id, secret, overrides)), further).toBe('201');
      }
    }
    const [entry] = await walk(`/tenants/${tenant}/audit?action=key.rotate`);
    expect(entry?.changes).toMatchObject({ metadata: 'changed' });
    const [first] = (await walk(`/tenants/${tenant}/audit?action=key.rotate`)).slice(-1);
    expect(first?.changes).toMatchObject({
      scopes: { from: attributes.scopes, to: ['*'] },
      expiresAt: { from: attributes.expiresAt, to: null },
    });
  });

  it("is decided by the key's state at the moment of the change", async () => {
    const { secret } = await managementKey({ permissions: ['keys:rotate'] });
    const key = await createKey(tenant, attributes);
    // The key is narrowed after the Worker has checked the request and before the object receives it.
    const space = env.TENANTS;
    const racing = {
      idFromName: (name: string) => space.idFromName(name),
      get: (id: DurableObjectId) =>
        new Proxy(space.get(id), {
          get:
            (stub, method) =>
            async (...args: unknown[]) => {
              if (method === 'rotateKey') await updateKey(tenant, key.id, { scopes: ['users:read'] });
              const send: unknown = Reflect.get(stub, method);
              return typeof send === 'function' ? send(...args) : undefined;
            },
        }),
    };
    const path = `/tenants/${tenant}/keys/${key.id}/rotate`;
    const response = await apiWith(
      { ...env, TENANTS: racing },
      'POST',
      path,
      { scopes: ['invoices:read'] },
      as(secret),
    );
    expect(outcomeOf(response)).toBe(FORBIDDEN_TO_WIDEN);
    expect(await getKey(tenant, key.id)).toMatchObject({ status: 'active', version: 2 });
  });

  it('is replayed only to a caller who still has the right, and a refusal is not stored', async () => {
    const caller = await managementKey({ permissions: ['keys:rotate', 'keys:update'] });
    const [first, second] = [await createKey(tenant, attributes), await createKey(tenant, attributes)];
    const again = { 'Idempotency-Key': 'once' };
    expect(outcomeOf(await rotate(first.id, caller.secret, { scopes: ['*'] }, again))).toBe('201');
    const permit = (permissions: string[]) =>
      tamperWithManagementKeys('UPDATE keys SET scopes = ? WHERE id = ?', JSON.stringify(permissions), caller.id);
    await permit(['keys:rotate']);
    const refused = await rotate(first.id, caller.secret, { scopes: ['*'] }, again);
    expect(outcomeOf(refused)).toBe(FORBIDDEN_TO_WIDEN);
    expect(JSON.stringify(refused.body)).not.toContain('ks_');
    expect(outcomeOf(await rotate(second.id, caller.secret, { scopes: ['*'] }, again))).toBe(FORBIDDEN_TO_WIDEN);
    await permit(['keys:rotate', 'keys:update']);
    expect(outcomeOf(await rotate(second.id, caller.secret, { scopes: ['*'] }, again))).toBe('201');
  });

  it('can be cancelled by a caller who may rotate, which restores the key', async () => {
    const { secret } = await managementKey({ permissions: ['keys:rotate'] });
    const key = await createKey(tenant, attributes);
    await rotate(key.id, secret, { scopes: [] });
    const { status, body } = await api('POST', `/tenants/${tenant}/keys/${key.id}/rotation/cancel`, {}, as(secret));
    expect([status, body]).toMatchObject([200, { ...attributes, status: 'active' }]);
  });
});

describe('a caller whose key expires', () => {
  const END = START + HOUR_MS;
  const rotate = (caller: string, id: string, body: object = {}, headers = {}) =>
    api('POST', `/management-keys/${id}/rotate`, body, { ...as(caller), ...headers });
  const create = (caller: string, input: object = {}) =>
    api('POST', '/management-keys', { name: 'made', role: 'owner', ...input }, as(caller));

  it('cannot create a management key that lasts longer', async () => {
    const { secret } = await managementKey({ role: 'owner', expiresAt: at(END) });
    expect(outcomeOf(await create(secret, { expiresAt: null }))).toBe('403 forbidden');
    expect(outcomeOf(await create(secret, { expiresAt: at(END + 1) }))).toBe('403 forbidden');
    expect(outcomeOf(await create(secret, { expiresAt: at(END) }))).toBe('201');
    const { body } = await create(secret);
    expect(v.parse(v.object({ expiresAt: v.nullable(v.string()) }), body).expiresAt).toBe(at(END));
    expect((await create(env.ADMIN_TOKEN ?? '')).body).toMatchObject({ expiresAt: null });
  });

  it('cannot rotate its own key into one without an end', async () => {
    const { id, secret } = await managementKey({ role: 'owner', expiresAt: at(END) });
    expect(outcomeOf(await rotate(secret, id, { expiresAt: null }))).toBe('403 forbidden');
    expect(outcomeOf(await rotate(secret, id, { expiresAt: at(END + 1) }))).toBe('403 forbidden');
    const { body } = await rotate(secret, id);
    expect(v.parse(managementRotationResult, body).key.expiresAt).toBe(at(END));
  });

  it("cannot get a key without an end by rotating somebody else's", async () => {
    const endless = await managementKey({ role: 'verifier' });
    const { secret } = await managementKey({ role: 'owner', expiresAt: at(END) });
    expect(outcomeOf(await rotate(secret, endless.id))).toBe('403 forbidden');
    expect((await api('GET', `/management-keys/${endless.id}`)).body).toMatchObject({ status: 'active', version: 1 });
    expect(outcomeOf(await rotate(secret, endless.id, { expiresAt: at(END) }))).toBe('201');
    const another = await managementKey({ role: 'verifier' });
    expect(outcomeOf(await api('POST', `/management-keys/${another.id}/revoke`, {}, as(secret)))).toBe('200');
  });

  it('cannot create keys that outlast its grace period', async () => {
    const { id, secret } = await managementKey({ role: 'owner' });
    expect((await rotate(env.ADMIN_TOKEN ?? '', id, { gracePeriodSeconds: 60 })).status).toBe(201);
    expect(outcomeOf(await create(secret, { expiresAt: null }))).toBe('403 forbidden');
    expect((await create(secret)).body).toMatchObject({ expiresAt: at(START + 60_000) });
    const endless = await managementKey({ role: 'verifier' });
    expect(outcomeOf(await rotate(secret, endless.id))).toBe('403 forbidden');
  });

  it('does not get a stored response with a key that now outlasts its own', async () => {
    const caller = await managementKey({ role: 'owner' });
    const other = await managementKey({ role: 'verifier' });
    const again = { 'Idempotency-Key': 'once' };
    expect(outcomeOf(await rotate(caller.secret, other.id, {}, again))).toBe('201');
    await rotate(env.ADMIN_TOKEN ?? '', caller.id, { gracePeriodSeconds: 60 });
    expect(outcomeOf(await rotate(caller.secret, other.id, {}, again))).toBe('403 forbidden');
  });

  it('revokes a lineage only when it holds all its permissions', async () => {
    const strong = await managementKey({ role: 'owner' });
    const { secret } = await managementKey({ permissions: ['management:write', 'keys:verify'] });
    const lineage = { lineage: true };
    expect(outcomeOf(await api('POST', `/management-keys/${strong.id}/revoke`, lineage, as(secret)))).toMatch(/^403/);
    const weak = await managementKey({ role: 'verifier' });
    const { key } = v.parse(managementRotationResult, (await rotate(env.ADMIN_TOKEN ?? '', weak.id)).body);
    expect(outcomeOf(await api('POST', `/management-keys/${weak.id}/revoke`, lineage, as(secret)))).toBe('200');
    const { body } = await api('GET', `/management-keys/${key.id}`);
    expect(v.parse(managementKeyResource, body).status).toBe('revoked');
  });
});

describe('a caller confined to a tenant', () => {
  const patch = (caller: string, body: object, headers = {}) =>
    api('PATCH', `/tenants/${tenant}`, body, { ...as(caller), ...headers });
  const confined = async () => (await managementKey({ role: 'owner', tenantId: tenant })).secret;

  it('may suspend the tenant but not lift a suspension', async () => {
    const own = await confined();
    const key = await createKey(tenant);
    expect(outcomeOf(await patch(own, { status: 'active' }))).toBe('200');
    expect(outcomeOf(await patch(own, { status: 'disabled', name: 'closed' }))).toBe('200');
    expect(outcomeOf(await patch(own, { status: 'active' }))).toBe('403 forbidden');
    expect(outcomeOf(await patch(own, { status: 'active', name: 'x' }, { 'Idempotency-Key': 'p' }))).toBe(
      '403 forbidden',
    );
    expect(outcomeOf(await patch(own, { name: 'still closed' }))).toBe('200');
    expect((await verify(key.secret)).code).toBe('TENANT_DISABLED');
    const operator = await managementKey({ role: 'admin' });
    expect(outcomeOf(await patch(operator.secret, { status: 'active' }))).toBe('200');
    expect((await verify(key.secret)).code).toBe('VALID');
  });

  it('may tighten the settings that protect others from the tenant, but not loosen them', async () => {
    const own = await confined();
    const settle = async (settings: object) => outcomeOf(await patch(own, { settings }));
    expect(await settle({ allowReveal: true })).toBe('403 forbidden');
    expect(await settle({ auditRetentionSeconds: 86_400 })).toBe('403 forbidden');
    await api('PATCH', `/tenants/${tenant}`, { settings: { allowReveal: true, auditRetentionSeconds: 90_000 } });
    expect(await settle({ auditRetentionSeconds: 89_999 })).toBe('403 forbidden');
    expect(await settle({ auditRetentionSeconds: 90_001 })).toBe('200');
    expect(await settle({ auditRetentionSeconds: null })).toBe('200');
    expect(await settle({ allowReveal: true })).toBe('200');
    expect(await settle({ allowReveal: false })).toBe('200');
    expect(await settle({ allowReveal: true })).toBe('403 forbidden');
    expect(await settle({ storage: 'digest' })).toBe('200');
    expect(await settle({ storage: 'sealed' })).toBe('403 forbidden');
    const rest = { gracePeriodSeconds: 1, keyPrefix: 'own', retentionSeconds: 0, leaseSeconds: 2 };
    expect(await settle(rest)).toBe('200');
    const refused = { name: 'x', settings: { gracePeriodSeconds: 9, allowReveal: true } };
    expect(outcomeOf(await patch(own, refused))).toBe('403 forbidden');
    expect((await api('GET', `/tenants/${tenant}`)).body).toMatchObject({
      name: tenant,
      settings: { ...rest, allowReveal: false, storage: 'digest', auditRetentionSeconds: null },
    });
  });

  it('cannot delete the tenant, because the audit log would be deleted too', async () => {
    expect(outcomeOf(await api('DELETE', `/tenants/${tenant}`, undefined, as(await confined())))).toBe('403 forbidden');
    expect((await api('GET', `/tenants/${tenant}`)).status).toBe(200);
    const { secret } = await managementKey({ role: 'admin' });
    expect((await api('DELETE', `/tenants/${tenant}`, undefined, as(secret))).status).toBe(204);
  });
});
