/** Owners of keys from before owners had records: what reads tell while an alarm makes these, and that it makes all. */
import { describe, expect, it } from 'vitest';
import { TENANT_MIGRATIONS } from '../../durable-objects/tenant/migrations.ts';
import { OWNER_TABLES } from '../../durable-objects/tenant/owners/owner-table.ts';
import { OWNERS_PER_PASS } from '../../durable-objects/tenant/tenant-jobs.ts';
import { api, createKey, createTenant, problemCode, revokeKey, updateKey, verify, walk } from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { evict, runDueAlarm, sqlIn } from '../support/objects.ts';
import { multiply } from '../support/rows.ts';

pretendTime();

/** Undoes the migrations that came after records of owners. */
const UNDO_LATER = [
  'DROP INDEX keys_imported',
  'ALTER TABLE keys DROP COLUMN hint',
  'DROP TABLE usage_names',
  'DROP TABLE usage_hours',
  'DROP TABLE usage_days',
  'ALTER TABLE cleanups DROP COLUMN usage_trimmed',
  'DROP TABLE checks',
  'DROP TABLE checks_size',
  'ALTER TABLE tenant DROP COLUMN rate_limits',
  'ALTER TABLE tenant DROP COLUMN quotas',
  'DROP TABLE credits',
  'DROP TABLE plans',
  'DROP INDEX keys_living_by_plan',
  'ALTER TABLE keys DROP COLUMN plan',
  'DROP TABLE counters',
  'ALTER TABLE keys DROP COLUMN rate_limits',
  'ALTER TABLE keys DROP COLUMN quotas',
];

/** Takes the database back to the version before owners had records, and starts the object on it. */
async function upgrade(tenantId: string): Promise<void> {
  for (const statement of UNDO_LATER) await sqlIn(tenantId, statement);
  await sqlIn(tenantId, 'DROP TABLE owners');
  await sqlIn(tenantId, 'DROP TABLE owners_filled');
  await sqlIn(tenantId, 'UPDATE schema_version SET version = ?', TENANT_MIGRATIONS.indexOf(OWNER_TABLES));
  await evict(tenantId);
}

const owner = (tenantId: string, id: string) => `/tenants/${tenantId}/owners/${encodeURIComponent(id)}`;
const namesOfMany = (i: number) => `o${String(i).padStart(5, '0')}`;
const MANY = 3 * OWNERS_PER_PASS;

/** A tenant with a key for each of many owners, and one more owner whose id comes last. */
async function upgradeOfMany(tenantId: string) {
  await createTenant(tenantId);
  const last = await createKey(tenantId, { owner: 'z' });
  await createKey(tenantId, { owner: 'o' });
  await multiply(tenantId, MANY, { owner: "printf('o%05d', n.value)" });
  await upgrade(tenantId);
  return last;
}

describe('an upgrade', () => {
  it('makes the records of few owners at once, as if each had been made with its first key', async () => {
    await createTenant('few');
    const first = await createKey('few', { owner: 'a/b' });
    await revokeKey('few', first.id);
    advance(1000);
    for (const name of ['a/b', 'ü', 'ü', null]) await createKey('few', { owner: name });
    await upgrade('few');
    const listed = await walk('/tenants/few/owners?order=asc');
    expect(listed).toMatchObject([
      { id: 'a/b', createdAt: at(START), createdBy: { id: 'admin' }, enabled: true, version: 1 },
      { id: 'ü', createdAt: at(START + 1000), updatedAt: at(START + 1000), metadata: {}, name: null },
    ]);
    expect(listed).toHaveLength(2);
    expect(await sqlIn('few', 'SELECT * FROM owners_filled')).toEqual([]);
  });

  it('makes no records for management keys, nor where there are no owners', async () => {
    await api('POST', '/management-keys', { name: 'm', role: 'verifier', tenantId: 'few' });
    await upgrade('_system');
    for (const table of ['owners', 'owners_filled'])
      expect(await sqlIn('_system', `SELECT * FROM ${table}`)).toEqual([]);
    await createTenant('none');
    await createKey('none');
    await upgrade('none');
    for (const table of ['owners', 'owners_filled']) expect(await sqlIn('none', `SELECT * FROM ${table}`)).toEqual([]);
  });

  it('has an alarm make the records of many owners, in passes', async () => {
    await upgradeOfMany('many');
    const stored = async () => (await sqlIn('many', 'SELECT count(*) AS n FROM owners'))[0]?.n;
    expect(await stored()).toBe(OWNERS_PER_PASS);
    let passes = 0;
    // The object may be evicted between passes, since the alarm and the place to go on are stored.
    for (; await runDueAlarm('many'); passes++) await evict('many');
    expect(passes).toBe(MANY / OWNERS_PER_PASS);
    expect(await stored()).toBe(MANY + 2);
    const ids = (await walk('/tenants/many/owners?order=asc&limit=100')).map(({ id }) => id);
    expect(ids).toEqual(['o', ...Array.from({ length: MANY }, (_, i) => namesOfMany(i + 1)), 'z']);
  });
});

describe('while records are made', () => {
  it('an owner without one reads as if it had one, and one without keys is not found', async () => {
    await upgradeOfMany('reads');
    expect((await api('GET', owner('reads', 'z'))).body).toMatchObject({ id: 'z', createdAt: at(START), version: 1 });
    expect(await problemCode(api('GET', owner('reads', 'nobody')))).toBe('owner_not_found');
    expect(await problemCode(api('POST', '/tenants/reads/owners', { id: 'z' }))).toBe('owner_exists');
    expect((await api('POST', '/tenants/reads/owners', { id: 'new' })).status).toBe(201);
  });

  it('an owner without one is disabled and changed like any other, and stays so', async () => {
    const { secret } = await upgradeOfMany('changes');
    expect((await verify(secret)).code).toBe('VALID');
    const changed = await api('PATCH', owner('changes', 'z'), { enabled: false, name: 'Z' }, { 'If-Match': '"1"' });
    expect(changed.body).toMatchObject({ id: 'z', createdAt: at(START), enabled: false, version: 2 });
    expect((await verify(secret)).code).toBe('OWNER_DISABLED');
    while (await runDueAlarm('changes'));
    expect((await api('GET', owner('changes', 'z'))).body).toMatchObject({ enabled: false, name: 'Z', version: 2 });
    expect((await verify(secret)).code).toBe('OWNER_DISABLED');
  });

  it('keys that name owners without one change nothing about them', async () => {
    const { id } = await upgradeOfMany('keys');
    advance(1000);
    await createKey('keys', { owner: 'z' });
    await updateKey('keys', id, { owner: 'y' });
    expect((await api('GET', owner('keys', 'z'))).body).toMatchObject({ createdAt: at(START), version: 1 });
    expect((await api('GET', owner('keys', 'y'))).body).toMatchObject({ createdAt: at(START + 1000) });
  });

  it('the list and deletions answer 503 and can be repeated, also with the same Idempotency-Key', async () => {
    const { id } = await upgradeOfMany('waits');
    await revokeKey('waits', id);
    const list = () => api('GET', '/tenants/waits/owners');
    const remove = () => api('DELETE', owner('waits', 'z'), undefined, { 'Idempotency-Key': 'once' });
    for (const response of [await list(), await remove()]) {
      expect([response.status, response.body]).toMatchObject([503, { code: 'unavailable' }]);
      expect(response.headers.get('Retry-After')).toBe('1');
    }
    while (await runDueAlarm('waits'));
    expect((await list()).status).toBe(200);
    expect((await remove()).status).toBe(204);
    expect(await problemCode(api('GET', owner('waits', 'z')))).toBe('owner_not_found');
  });

  it('a change that does not commit leaves the place to go on', async () => {
    const { id } = await upgradeOfMany('unfinished');
    await sqlIn('unfinished', "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect((await api('PATCH', `/tenants/unfinished/keys/${id}`, { owner: 'y' })).status).toBe(503);
    await sqlIn('unfinished', 'DROP TRIGGER refuse');
    while (await runDueAlarm('unfinished'));
    expect((await sqlIn('unfinished', 'SELECT count(*) AS n FROM owners'))[0]?.n).toBe(MANY + 2);
  });
});
