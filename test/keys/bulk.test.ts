/**
 * Bulk creation and revocation. Each is all or nothing, and the cost of revoking an owner's keys does not grow with the
 * tenant.
 */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { bulkKeys } from '../../src/api/keys/schemas.ts';
import { api, createKey, createTenant, getKey, problemCode, verify, walk } from '../support/api.ts';
import { advance, at, hurryTimers, pretendTime, START } from '../support/clock.ts';
import { evict, runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();
hurryTimers();

const ids = (rows: readonly { id?: unknown }[]) => rows.map((row) => row.id);

describe('bulk creation', () => {
  it('makes up to 500 keys, each with its secret and its audit entry', async () => {
    await createTenant('bulk');
    const keys = Array.from({ length: 500 }, (_, i) => ({ name: `k${i}`, owner: 'o', prefix: i % 2 ? 'odd' : 'even' }));
    const { status, body } = await api('POST', '/tenants/bulk/keys/bulk', { keys });
    expect(status).toBe(201);
    const { data } = v.parse(bulkKeys, body);
    expect(data.map((key) => key.name)).toEqual(keys.map((key) => key.name));
    for (const key of [data[0], data[1], data[499]]) expect((await verify(key?.secret ?? '')).keyId).toBe(key?.id);
    expect((await walk('/tenants/bulk/audit?action=key.create&limit=100')).length).toBe(500);
    expect((await walk(`/tenants/bulk/audit?keyId=${data[77]?.id}`)).length).toBe(1);
  });

  it('makes no key when one cannot be made, and names the bad one', async () => {
    await createTenant('bulk-none');
    const keys = [{ name: 'fine' }, { name: 'late', expiresAt: at(START - 1) }];
    const { status, body } = await api('POST', '/tenants/bulk-none/keys/bulk', { keys });
    expect([status, body]).toMatchObject([422, { errors: [{ path: 'keys.1.expiresAt' }] }]);
    expect(await walk('/tenants/bulk-none/keys')).toEqual([]);
    const many = Array.from({ length: 501 }, () => ({ name: 'k' }));
    expect(await problemCode(api('POST', '/tenants/bulk-none/keys/bulk', { keys: many }))).toBe('validation_failed');
    expect(await problemCode(api('POST', '/tenants/bulk-none/keys/bulk', { keys: [] }))).toBe('validation_failed');
  });
});

describe('bulk revocation', () => {
  it('leaves each key in the same state as a single revocation does', async () => {
    await createTenant('revoke-alike');
    const made = [];
    for (let i = 0; i < 4; i++) {
      const key = await createKey('revoke-alike', {
        owner: 'o',
        scopes: ['a:b'],
        metadata: { a: 1 },
        expiresAt: at(START + 9e6),
      });
      await api('PATCH', `/tenants/revoke-alike/keys/${key.id}`, { name: 'alike' });
      made.push(key.id);
    }
    const [one, ...others] = made;
    advance(1000);
    await api('POST', `/tenants/revoke-alike/keys/${one}/revoke`);
    await api('POST', '/tenants/revoke-alike/keys/revoke', { ids: others.slice(1) });
    await api('POST', '/tenants/revoke-alike/keys/revoke', { owner: 'o' });
    const rows = await sqlIn(
      'revoke-alike',
      `SELECT version, updated_at, revoked_at, revoked_by, status, due_at, ended_at, scopes, metadata, expires_at,
         count(*) AS n
       FROM keys GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10`,
    );
    expect(rows).toMatchObject([{ n: 4, version: 3, status: 'revoked', revoked_at: START + 1000, due_at: null }]);
    const { body } = await api('GET', '/tenants/revoke-alike/keys/counts');
    expect(body).toMatchObject({ active: 0, revoked: 4, total: 4 });
  });

  it('by ids revokes all or none, and counts the keys that were not revoked before', async () => {
    await createTenant('revoke-ids');
    const [a, b] = [await createKey('revoke-ids'), await createKey('revoke-ids')];
    const missing = `key_${'0'.repeat(17)}`;
    const refused = await api('POST', '/tenants/revoke-ids/keys/revoke', { ids: [a.id, missing] });
    expect([refused.status, refused.body]).toMatchObject([404, { code: 'keys_not_found', ids: [missing] }]);
    expect((await verify(a.secret)).code).toBe('VALID');
    expect((await api('POST', '/tenants/revoke-ids/keys/revoke', { ids: [a.id, a.id, b.id] })).body).toEqual({
      revoked: 2,
    });
    expect((await api('POST', '/tenants/revoke-ids/keys/revoke', { ids: [a.id, b.id] })).body).toEqual({ revoked: 0 });
    expect((await verify(a.secret)).code).toBe('REVOKED');
    expect((await walk('/tenants/revoke-ids/audit?action=key.revoke')).length).toBe(2);
    expect(await problemCode(api('POST', '/tenants/revoke-ids/keys/revoke', { ids: [a.id], owner: 'x' }))).toBe(
      'validation_failed',
    );
  });

  it('by owner takes effect at once, before the rows are written, and spares keys made later', async () => {
    await createTenant('revoke-owner', { settings: { retentionSeconds: 1_000_000 } });
    const first = await createKey('revoke-owner', { owner: 'leaver', expiresAt: at(START + 5000) });
    const other = await createKey('revoke-owner', { owner: 'stayer' });
    await sqlIn(
      'revoke-owner',
      `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 2500)
       INSERT INTO keys (id, name, prefix, last_four, owner, enabled, created_at, updated_at, version, digest,
         signing_key_id, status)
       SELECT printf('key_%017d', value), 'n', 'ks', 'abcd', 'leaver', 1, ?, ?, 1, x'00', 1, 'active' FROM n`,
      START,
      START,
    );
    const last = await createKey('revoke-owner', { owner: 'leaver' });
    advance(1000);
    expect((await api('POST', '/tenants/revoke-owner/keys/revoke', { owner: 'leaver' })).body).toEqual({
      revoked: 2502,
    });
    // The newest key is deleted and its row number becomes free. A key made now must not inherit the revocation.
    await api('DELETE', `/tenants/revoke-owner/keys/${last.id}`);
    const later = await createKey('revoke-owner', { owner: 'leaver' });
    for (let pass = 0; pass < 3; pass++) {
      await evict('revoke-owner');
      expect((await verify(first.secret)).code).toBe('REVOKED');
      expect(await getKey('revoke-owner', first.id)).toMatchObject({
        status: 'revoked',
        revokedAt: at(START + 1000),
        version: 2,
      });
      expect((await verify(later.secret)).code).toBe('VALID');
      expect((await verify(other.secret)).code).toBe('VALID');
      expect(ids(await walk('/tenants/revoke-owner/keys?status=active'))).toEqual([later.id, other.id]);
      expect(await problemCode(api('POST', `/tenants/revoke-owner/keys/${first.id}/rotate`))).toBe('key_not_active');
      await runDueAlarm('revoke-owner');
    }
    expect(await sqlIn('revoke-owner', 'SELECT * FROM group_revocations')).toEqual([]);
    expect(
      await sqlIn('revoke-owner', "SELECT count(*) AS n FROM keys WHERE owner = 'leaver' AND status = 'revoked'"),
    ).toEqual([{ n: 2501 }]);
    expect((await walk('/tenants/revoke-owner/audit?action=key.revoke_owner'))[0]?.changes).toEqual({
      owner: 'leaver',
      revoked: 2502,
    });
    expect((await api('POST', '/tenants/revoke-owner/keys/revoke', { owner: 'leaver' })).body).toEqual({ revoked: 1 });
    expect((await verify(later.secret)).code).toBe('REVOKED');
  });
});
