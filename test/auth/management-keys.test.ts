/**
 * Management keys: they have the life cycle of other keys, grant what they state, and cannot create more than they
 * hold.
 */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  managementKeyResource,
  managementKeyWithSecret,
  managementRotationResult,
} from '../../src/api/management-keys/schemas.ts';
import { handle } from '../../src/router.ts';
import { api, createKey, createTenant, problemCode, verify, walk } from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';

pretendTime();

const as = (secret: string) => ({ Authorization: `Bearer ${secret}` });

async function make(input: object, headers = {}) {
  const { status, body } = await api('POST', '/management-keys', { name: 'm', ...input }, headers);
  expect(status, JSON.stringify(body)).toBe(201);
  return v.parse(managementKeyWithSecret, body);
}

describe('management keys', () => {
  it('grant what their role grants and are named in the audit log', async () => {
    await createTenant('mk-audit');
    const operator = await make({ role: 'operator', name: 'deploy bot' });
    expect(operator.secret).toMatch(/^ksm_/);
    expect((await api('POST', '/tenants/mk-audit/keys', { name: 'k' }, as(operator.secret))).status).toBe(201);
    const [entry] = await walk('/tenants/mk-audit/audit');
    expect(entry?.actor).toEqual({ type: 'management_key', id: operator.id });
    const entries = await walk('/tenants/_system/audit?action=key.create');
    expect(entries.map((made) => made.keyId)).toContain(operator.id);
  });

  it('are listed and read without their secret', async () => {
    const { secret: _secret, ...made } = await make({
      permissions: ['keys:verify', 'keys:read'],
      expiresAt: at(START + 60_000),
    });
    expect((await api('GET', `/management-keys/${made.id}`)).body).toEqual(made);
    const listed = (await walk('/management-keys?limit=1')).map((key) => v.parse(managementKeyResource, key));
    expect(listed.find((key) => key.id === made.id)).toEqual(made);
  });

  it('expire, and stay valid for the grace period when rotated', async () => {
    const made = await make({ role: 'auditor', expiresAt: at(START + 60_000) });
    const { body } = await api('POST', `/management-keys/${made.id}/rotate`, {
      gracePeriodSeconds: 10,
      expiresAt: null,
    });
    const { key } = v.parse(managementRotationResult, body);
    expect(key).toMatchObject({ role: 'auditor', rotation: { replaces: made.id } });
    const status = async (secret: string) => (await api('GET', '/tenants', undefined, as(secret))).status;
    expect([await status(made.secret), await status(key.secret)]).toEqual([200, 200]);
    advance(10_000);
    expect([await status(made.secret), await status(key.secret)]).toEqual([401, 200]);
    const short = await make({ role: 'auditor', expiresAt: at(START + 20_000) });
    advance(10_000);
    expect(await status(short.secret)).toBe(401);
  });

  it('no longer work on any isolate when their revocation has returned', async () => {
    const made = await make({ role: 'owner' });
    const askedAt = performance.now();
    expect((await api('POST', `/management-keys/${made.id}/revoke`, {}, as(made.secret))).status).toBe(200);
    // The call really waits while the test's clock stands still, so the clock is moved on.
    advance(performance.now() - askedAt);
    expect((await api('GET', '/tenants', undefined, as(made.secret))).status).toBe(401);
  });

  it('cannot grant, rotate or revoke more than the caller holds', async () => {
    await createTenant('mk-a');
    await createTenant('mk-b');
    const owner = await make({ role: 'owner' });
    const limited = await make({ permissions: ['management:write', 'management:read', 'keys:read'] });
    const confined = await make({ role: 'owner', tenantId: 'mk-a' });
    const attempt = async (secret: string, path: string, body: object = {}) =>
      (await api('POST', path, body, as(secret))).status;
    expect(await attempt(limited.secret, '/management-keys', { name: 'x', role: 'owner' })).toBe(403);
    expect(await attempt(limited.secret, '/management-keys', { name: 'x', permissions: ['keys:verify'] })).toBe(403);
    expect(await attempt(limited.secret, '/management-keys', { name: 'x', permissions: ['keys:read'] })).toBe(201);
    expect(await attempt(limited.secret, `/management-keys/${owner.id}/rotate`)).toBe(403);
    expect(await attempt(limited.secret, `/management-keys/${owner.id}/revoke`)).toBe(403);
    expect(await attempt(confined.secret, '/management-keys', { name: 'x', role: 'verifier' })).toBe(403);
    expect(await attempt(confined.secret, '/management-keys', { name: 'x', role: 'verifier', tenantId: 'mk-b' })).toBe(
      403,
    );
    expect(await attempt(confined.secret, '/management-keys', { name: 'x', role: 'verifier', tenantId: 'mk-a' })).toBe(
      201,
    );
    expect(await attempt(confined.secret, `/management-keys/${owner.id}/rotate`)).toBe(404);
    expect(await attempt(confined.secret, `/management-keys/${owner.id}/revoke`)).toBe(404);
    const { body } = await api('POST', '/management-keys', { name: 'x', role: 'owner' }, as(limited.secret));
    expect(JSON.stringify(body)).toContain('does not hold');
    const seen = await api('GET', '/management-keys?limit=100', undefined, as(confined.secret));
    const { data } = v.parse(v.object({ data: v.array(managementKeyResource) }), seen.body);
    expect(new Set(data.map((key) => key.tenantId))).toEqual(new Set(['mk-a']));
    expect((await api('GET', `/management-keys/${owner.id}`, undefined, as(confined.secret))).status).toBe(404);
  });

  it('confined to a tenant reach no other tenant, existing or not, and verify only its keys', async () => {
    await createTenant('mk-in');
    await createTenant('mk-out');
    const inside = await createKey('mk-in');
    const outside = await createKey('mk-out');
    const confined = await make({ role: 'owner', tenantId: 'mk-in' });
    const get = (path: string) => api('GET', path, undefined, as(confined.secret));
    expect((await get('/tenants/mk-in/keys')).status).toBe(200);
    const [other, none] = [await get('/tenants/mk-out/keys'), await get('/tenants/mk-none/keys')];
    expect([other.status, none.status]).toEqual([404, 404]);
    const code = async (key: string) => {
      const { body } = await api('POST', '/keys/verify', { key }, as(confined.secret));
      return v.parse(v.object({ code: v.string() }), body).code;
    };
    expect([await code(inside.secret), await code(outside.secret)]).toEqual(['VALID', 'NOT_FOUND']);
    expect((await get('/tenants')).body).toMatchObject({ data: [{ id: 'mk-in' }] });
  });

  it('confined to a tenant are revoked with it and do not open a later tenant of the same id', async () => {
    await createTenant('mk-gone');
    const confined = await make({ role: 'owner', tenantId: 'mk-gone' });
    await api('DELETE', '/tenants/mk-gone');
    await createTenant('mk-gone');
    expect((await api('GET', '/tenants/mk-gone', undefined, as(confined.secret))).status).toBe(401);
    expect((await api('GET', `/management-keys/${confined.id}`)).body).toMatchObject({ status: 'revoked' });
  });

  it('are not customer keys: they do not verify, and the tenant that holds them is hidden', async () => {
    const { secret } = await make({ role: 'owner' });
    expect(await verify(secret)).toEqual({ valid: false, code: 'NOT_FOUND', warnings: [] });
    for (const path of ['/tenants/_system', '/tenants/_system/keys', '/tenants/_system/rotations']) {
      expect(await problemCode(api('GET', path)), path).toBe('tenant_not_found');
    }
  });

  it('replace ADMIN_TOKEN, which can then be left unset', async () => {
    const owner = await make({ role: 'owner' });
    const without = { ...env, ADMIN_TOKEN: undefined };
    const request = (token: string) => new Request('http://keystead.test/v1/tenants', { headers: as(token) });
    expect((await handle(request(owner.secret), without)).status).toBe(200);
    expect((await handle(request(env.ADMIN_TOKEN ?? ''), without)).status).toBe(401);
    expect((await handle(new Request('http://keystead.test/readyz'), without)).status).toBe(200);
  });

  it('need either a role or permissions, and a tenant that exists', async () => {
    for (const input of [
      {},
      { role: 'owner', permissions: ['keys:read'] },
      { role: 'king' },
      { permissions: [] },
      { permissions: ['keys:*'] },
    ]) {
      expect(await problemCode(api('POST', '/management-keys', { name: 'x', ...input }))).toBe('validation_failed');
    }
    expect(
      await problemCode(api('POST', '/management-keys', { name: 'x', role: 'owner', tenantId: 'mk-nowhere' })),
    ).toBe('tenant_not_found');
  });
});
