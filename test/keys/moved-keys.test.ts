/**
 * A revocation of all keys of an owner covers the keys that the owner had at that time, not keys that are moved to the
 * owner later.
 */
import { expect, it } from 'vitest';
import { api, createKey, createTenant, getKey, updateKey, verify } from '../support/api.ts';
import { pretendTime } from '../support/clock.ts';
import { runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

it("a key that is moved to an owner after the revocation of the owner's keys stays valid", async () => {
  await createTenant('moved');
  const moved = await createKey('moved', { owner: 'other' });
  await createKey('moved', { owner: 'leaver' });
  await api('POST', '/tenants/moved/keys/revoke', { owner: 'leaver' });
  await updateKey('moved', moved.id, { owner: 'leaver' });
  expect((await verify(moved.secret)).code).toBe('VALID');
  await runDueAlarm('moved');
  expect(await getKey('moved', moved.id)).toMatchObject({ status: 'active', revokedAt: null });
});

it('a key that is shown as revoked never becomes valid again', async () => {
  await createTenant('revived', { settings: { retentionSeconds: 1_000_000 } });
  const moved = await createKey('revived', { owner: 'other' });
  await sqlIn(
    'revived',
    `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1500)
     INSERT INTO keys (id, name, prefix, last_four, owner, enabled, created_at, updated_at, version, digest,
       signing_key_id, status)
     SELECT printf('key_%017d', value), 'n', 'ks', 'abcd', 'leaver', 1, 0, 0, 1, x'00', 1, 'active' FROM n`,
  );
  await api('POST', '/tenants/revived/keys/revoke', { owner: 'leaver' });
  // The first batch of 1000 is written. The moved key lies before the start of the next one.
  await runDueAlarm('revived');
  await updateKey('revived', moved.id, { owner: 'leaver' });
  const before = (await verify(moved.secret)).code;
  await runDueAlarm('revived');
  expect([before, (await verify(moved.secret)).code]).toEqual(['VALID', 'VALID']);
});
