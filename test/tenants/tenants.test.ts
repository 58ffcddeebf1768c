/** Tenants: their life cycle, and creations and deletions that fail between the two objects involved. */

import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { api, createKey, createTenant, problemCode, verify, walk } from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict, runAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

const listed = async () => (await walk('/tenants?limit=2')).map((tenant) => tenant.id);

describe('tenants', () => {
  it('start with the documented settings', async () => {
    expect((await api('POST', '/tenants', { id: 'plain' })).body).toEqual({
      id: 'plain',
      name: 'plain',
      status: 'active',
      settings: {
        gracePeriodSeconds: 2592000,
        keyPrefix: 'ks',
        retentionSeconds: 2592000,
        storage: 'sealed',
        allowReveal: false,
        leaseSeconds: 1,
        auditRetentionSeconds: null,
      },
      limits: { rateLimits: [], quotas: [] },
      createdAt: at(START),
      updatedAt: at(START),
    });
  });

  it('get a generated id when the request has none', async () => {
    const { status, body } = await api('POST', '/tenants', { name: 'Somebody' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ id: expect.stringMatching(/^t-[0-9a-v]{16}$/), name: 'Somebody' });
  });

  it('change what a patch names and keep the rest', async () => {
    await createTenant('changed', { name: 'Old', settings: { keyPrefix: 'acme_test', gracePeriodSeconds: 7 } });
    advance(1000);
    const { body } = await api('PATCH', '/tenants/changed', { settings: { gracePeriodSeconds: 8 } });
    expect(body).toMatchObject({
      name: 'Old',
      settings: { keyPrefix: 'acme_test', gracePeriodSeconds: 8 },
      updatedAt: at(START + 1000),
    });
    await evict('changed');
    expect((await api('GET', '/tenants/changed')).body).toEqual(body);
    const [entry] = await walk('/tenants/changed/audit?action=tenant.update');
    expect(entry?.changes).toEqual({ gracePeriodSeconds: { from: 7, to: 8 } });
  });

  it('give their prefix to keys without one, and after a change the new prefix to later keys', async () => {
    await createTenant('prefixed', { settings: { keyPrefix: 'acme_live' } });
    expect((await createKey('prefixed')).secret).toMatch(/^acme_live_/);
    await api('PATCH', '/tenants/prefixed', { settings: { keyPrefix: 'other' } });
    expect((await createKey('prefixed')).secret).toMatch(/^other_/);
  });

  it('store nothing recoverable when they keep digests only', async () => {
    await createTenant('digests', { settings: { storage: 'digest' } });
    const { secret } = await createKey('digests');
    expect(await sqlIn('digests', 'SELECT envelope, sealing_key_id FROM keys')).toEqual([
      { envelope: null, sealing_key_id: null },
    ]);
    expect((await verify(secret)).code).toBe('VALID');
  });

  it('exist once: of two concurrent creations one gets 201, the other 409', async () => {
    const responses = await Promise.all([
      api('POST', '/tenants', { id: 'twice' }),
      api('POST', '/tenants', { id: 'twice' }),
    ]);
    expect(responses.map((response) => response.status).sort()).toEqual([201, 409]);
    expect((await listed()).filter((id) => id === 'twice')).toEqual(['twice']);
  });

  it('refuse invalid ids and settings', async () => {
    for (const body of [
      { id: '_system' },
      { id: 'UPPER' },
      { id: 'a'.repeat(64) },
      { settings: { keyPrefix: 'sk_live' } },
      { settings: { gracePeriodSeconds: 31536001 } },
    ]) {
      expect(await problemCode(api('POST', '/tenants', body))).toBe('validation_failed');
    }
  });

  it('are deleted with all their data; the id is free, and old keys stay invalid', async () => {
    await createTenant('gone');
    const { secret } = await createKey('gone', { expiresAt: at(START + 1000) });
    expect((await api('DELETE', '/tenants/gone')).status).toBe(204);
    expect((await verify(secret)).code).toBe('NOT_FOUND');
    expect((await api('GET', '/tenants/gone')).status).toBe(404);
    expect((await api('GET', '/tenants/gone/keys')).status).toBe(404);
    expect((await api('DELETE', '/tenants/gone')).status).toBe(404);
    expect(await listed()).not.toContain('gone');
    expect(await runAlarm('gone')).toBe(false);
    expect(await sqlIn('gone', "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")).toEqual([]);
    await createTenant('gone');
    expect((await verify(secret)).code).toBe('NOT_FOUND');
    expect(await walk('/tenants/gone/keys')).toEqual([]);
    expect(await listed()).toContain('gone');
    const [entry] = await walk('/audit?action=tenant.delete&limit=1');
    expect(entry).toMatchObject({
      action: 'tenant.delete',
      actor: { type: 'admin_token' },
      changes: { tenantId: 'gone' },
    });
  });
});

describe('a creation that fails', () => {
  it('before the tenant exists leaves nothing in the list, and can be repeated', async () => {
    const { env: faulty } = faultyEnv({ method: 'create', times: 9, when: 'before' });
    const failed = await apiWith(faulty, 'POST', '/tenants', { id: 'c-before' });
    expect(failed.status).toBe(503);
    expect(failed.headers.get('Retry-After')).toBe('1');
    expect((await api('GET', '/tenants/c-before')).status).toBe(404);
    expect(await listed()).not.toContain('c-before');
    expect((await api('POST', '/tenants', { id: 'c-before' })).status).toBe(201);
    expect((await listed()).filter((id) => id === 'c-before')).toEqual(['c-before']);
  });

  it('after the tenant exists leaves a complete tenant, listed', async () => {
    const { env: faulty } = faultyEnv({ method: 'create', times: 9, when: 'after' });
    expect((await apiWith(faulty, 'POST', '/tenants', { id: 'c-after' })).status).toBe(503);
    expect((await api('POST', '/tenants', { id: 'c-after' })).status).toBe(409);
    expect((await listed()).filter((id) => id === 'c-after')).toEqual(['c-after']);
  });

  it('on the way back is retried by the Worker and applied once', async () => {
    const { env: faulty, calls } = faultyEnv({ method: 'create', times: 1, when: 'after', retryable: true });
    expect((await apiWith(faulty, 'POST', '/tenants', { id: 'c-lost' })).status).toBe(201);
    expect(calls.filter((method) => method === 'create').length).toBe(2);
    expect((await walk('/tenants/c-lost/audit')).length).toBe(1);
  });

  it('leaves an entry that is removed an hour later', async () => {
    const { env: faulty } = faultyEnv({ method: 'create', times: 9, when: 'before' });
    await apiWith(faulty, 'POST', '/tenants', { id: 'c-entry' });
    const entries = async () => {
      const directory = env.DIRECTORY.get(env.DIRECTORY.idFromName('directory'));
      return (await directory.list(null, 1000)).items.filter((entry) => entry.tenantId === 'c-entry').length;
    };
    await listed();
    expect(await entries()).toBe(1);
    advance(60 * 60 * 1000 + 1);
    await listed();
    expect(await entries()).toBe(0);
  });
});
