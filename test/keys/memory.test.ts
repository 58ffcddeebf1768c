/** What the object keeps in memory never disagrees with storage: not after a write, and not after one that did not commit. */
import { describe, expect, it } from 'vitest';
import { api, createKey, createTenant, getKey, verify } from '../support/api.ts';
import { pretendTime } from '../support/clock.ts';
import { evict, sqlIn } from '../support/objects.ts';

pretendTime();

describe('a transaction that does not commit', () => {
  it('leaves every answer as it was', async () => {
    await createTenant('rollback');
    const keys = [await createKey('rollback', { owner: 'o' }), await createKey('rollback', { owner: 'o' })];
    for (const key of keys) await verify(key.secret);
    // The audit entry comes last, so the rows have been written by then.
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
      await evict('rollback');
    }
    await sqlIn('rollback', 'DROP TRIGGER refuse');
    expect((await api('POST', `${path}/revoke`)).status).toBe(200);
    expect((await verify(keys[0]?.secret ?? '')).code).toBe('REVOKED');
  });
});
