/** Rotation is one atomic step, however many callers ask for it. */
import { describe, expect, it } from 'vitest';
import { ROOM_BYTES } from '../../durable-objects/tenant/keys/rows.ts';
import {
  api,
  createKey,
  createTenant,
  deleteKey,
  getKey,
  problemCode,
  revokeKey,
  rotateKey,
  updateKey,
  verify,
  walk,
} from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { evict, runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

const DAY_MS = 86_400_000;

describe('rotation', () => {
  it('succeeds for exactly one of 50 concurrent requests, and a key is valid at every moment', async () => {
    await createTenant('rush');
    const key = await createKey('rush');
    let watching = true;
    const watch = (async () => {
      const codes: string[] = [];
      while (watching) codes.push((await verify(key.secret)).code);
      return codes;
    })();
    const responses = await Promise.all(
      Array.from({ length: 50 }, () => api('POST', `/tenants/rush/keys/${key.id}/rotate`)),
    );
    watching = false;
    const statuses = responses.map((response) => response.status).sort();
    expect(statuses).toEqual([201, ...Array.from({ length: 49 }, () => 409)]);
    expect(new Set(await watch)).toEqual(new Set(['VALID']));
    const keys = await walk('/tenants/rush/keys');
    expect(keys.map((row) => row.status)).toEqual(['active', 'rotating']);
    const audit = await walk('/tenants/rush/audit?action=key.rotate');
    expect(audit.length).toBe(1);
  });

  it('keeps every field of the key, prefixes with underscores included', async () => {
    await createTenant('keep');
    const attributes = {
      name: 'billing',
      prefix: 'acme_live_2',
      owner: 'customer-7',
      scopes: ['invoices:*', 'users:read'],
      metadata: { plan: 'pro', nested: { list: [1, 'two', null] } },
      expiresAt: at(START + 90 * DAY_MS),
    };
    const key = await createKey('keep', attributes);
    const { key: successor, rotated } = await rotateKey('keep', key.id);
    expect(successor).toMatchObject({ ...attributes, status: 'active', enabled: true });
    expect(successor.secret).toMatch(/^acme_live_2_[0-9A-Za-z]{92}$/);
    expect(successor.id).not.toBe(key.id);
    expect(successor.rotation).toEqual({ replaces: key.id, replacedBy: null, rotatedAt: null, graceEndsAt: null });
    expect(rotated).toMatchObject({ ...attributes, id: key.id, status: 'rotating', version: key.version + 1 });
    expect(rotated.rotation).toEqual({
      replaces: null,
      replacedBy: successor.id,
      rotatedAt: at(START),
      graceEndsAt: at(START + 30 * DAY_MS),
    });
    expect((await getKey('keep', key.id)).metadata).toEqual(attributes.metadata);
  });

  it('overrides only the fields it names', async () => {
    await createTenant('override');
    const key = await createKey('override', {
      owner: 'o',
      scopes: ['a'],
      metadata: { a: 1 },
      expiresAt: at(START + DAY_MS),
    });
    const { key: successor } = await rotateKey('override', key.id, { scopes: ['b'], expiresAt: null });
    expect(successor).toMatchObject({ name: key.name, owner: 'o', scopes: ['b'], metadata: { a: 1 }, expiresAt: null });
  });

  it('keeps the old key valid, with a warning, until the millisecond its grace ends, alarm or not', async () => {
    await createTenant('grace');
    const key = await createKey('grace');
    const { key: successor } = await rotateKey('grace', key.id, { gracePeriodSeconds: 60 });
    const during = await verify(key.secret);
    expect(during).toMatchObject({ valid: true, code: 'VALID' });
    expect(during.warnings).toMatchObject([
      { code: 'key_rotated', graceEndsAt: at(START + 60_000), replacedBy: successor.id },
    ]);
    advance(59_999);
    expect((await verify(key.secret)).code).toBe('VALID');
    advance(1);
    expect(await verify(key.secret)).toMatchObject({ valid: false, code: 'ROTATED' });
    expect((await getKey('grace', key.id)).status).toBe('rotated');
    expect((await verify(successor.secret)).code).toBe('VALID');
    await runDueAlarm('grace');
    expect((await verify(key.secret)).code).toBe('ROTATED');
  });

  it('with grace 0 ends the old key before it returns', async () => {
    await createTenant('now');
    const key = await createKey('now');
    const { key: successor, rotated } = await rotateKey('now', key.id, { gracePeriodSeconds: 0 });
    expect(rotated.status).toBe('rotated');
    expect((await verify(key.secret)).code).toBe('ROTATED');
    expect((await verify(successor.secret)).code).toBe('VALID');
  });

  it('takes its grace period from the tenant by default', async () => {
    await createTenant('own-grace', { settings: { gracePeriodSeconds: 5 } });
    const { rotated } = await rotateKey('own-grace', (await createKey('own-grace')).id);
    expect(rotated.rotation.graceEndsAt).toBe(at(START + 5000));
  });

  it('never lets a key outlive its own expiry', async () => {
    await createTenant('bound');
    const key = await createKey('bound', { expiresAt: at(START + 10_000) });
    const { key: successor, rotated } = await rotateKey('bound', key.id, { gracePeriodSeconds: 3600 });
    expect(rotated.rotation.graceEndsAt).toBe(at(START + 10_000));
    expect(successor.expiresAt).toBe(at(START + 10_000));
    advance(10_000);
    expect((await verify(key.secret)).valid).toBe(false);
    expect((await verify(successor.secret)).code).toBe('EXPIRED');
  });

  it('ends the grace earlier when an expiry is set meanwhile, and never later', async () => {
    await createTenant('pull');
    const key = await createKey('pull');
    await rotateKey('pull', key.id, { gracePeriodSeconds: 100 });
    expect((await updateKey('pull', key.id, { expiresAt: at(START + 500_000) })).rotation.graceEndsAt).toBe(
      at(START + 100_000),
    );
    expect((await updateKey('pull', key.id, { expiresAt: at(START + 50_000) })).rotation.graceEndsAt).toBe(
      at(START + 50_000),
    );
    await updateKey('pull', key.id, { expiresAt: null });
    advance(50_000);
    expect((await verify(key.secret)).code).toBe('ROTATED');
  });

  it('needs an active key and reactivates none', async () => {
    await createTenant('dead', { settings: { retentionSeconds: 1_000_000 } });
    const rotate = (id: string) => problemCode(api('POST', `/tenants/dead/keys/${id}/rotate`));
    const revoked = await createKey('dead');
    await revokeKey('dead', revoked.id);
    const expired = await createKey('dead', { expiresAt: at(START + 1000) });
    const disabled = await createKey('dead', { enabled: false });
    const rotated = await createKey('dead');
    await rotateKey('dead', rotated.id, { gracePeriodSeconds: 0 });
    const rotating = await createKey('dead');
    const { key: successor } = await rotateKey('dead', rotating.id);
    advance(1000);
    for (const key of [revoked, expired, disabled, rotated]) expect(await rotate(key.id)).toBe('key_not_active');
    expect(await rotate(rotating.id)).toBe('key_already_rotating');
    expect((await api('POST', `/tenants/dead/keys/${rotating.id}/rotate`)).body).toMatchObject({
      replacedBy: successor.id,
    });
    expect((await verify(revoked.secret)).code).toBe('REVOKED');
    expect((await verify(expired.secret)).code).toBe('EXPIRED');
    expect((await verify(disabled.secret)).code).toBe('DISABLED');
    expect((await verify(rotated.secret)).code).toBe('ROTATED');
  });

  it('is final: rotated and revoked keys cannot be changed, but an expired one can get a new expiry', async () => {
    await createTenant('patch', { settings: { retentionSeconds: 1_000_000 } });
    const revoked = await createKey('patch');
    await revokeKey('patch', revoked.id);
    const rotated = await createKey('patch');
    await rotateKey('patch', rotated.id, { gracePeriodSeconds: 0 });
    const expired = await createKey('patch', { expiresAt: at(START + 1000) });
    advance(1000);
    await runDueAlarm('patch');
    for (const key of [revoked, rotated]) {
      const response = api('PATCH', `/tenants/patch/keys/${key.id}`, { expiresAt: null, enabled: true });
      expect(await problemCode(response)).toBe('key_not_active');
    }
    expect((await verify(revoked.secret)).code).toBe('REVOKED');
    expect((await verify(rotated.secret)).code).toBe('ROTATED');
    expect((await updateKey('patch', expired.id, { expiresAt: at(START + 5000) })).status).toBe('active');
    expect((await verify(expired.secret)).code).toBe('VALID');
  });

  it('survives the deletion of the successor: the old key keeps its grace and gets no other successor', async () => {
    await createTenant('orphan');
    const key = await createKey('orphan');
    const { key: successor } = await rotateKey('orphan', key.id);
    await deleteKey('orphan', successor.id);
    expect((await verify(key.secret)).code).toBe('VALID');
    expect(await problemCode(api('POST', `/tenants/orphan/keys/${key.id}/rotate`))).toBe('key_already_rotating');
  });

  it('forms a lineage: revoking it covers predecessors and successors, and no other keys', async () => {
    await createTenant('family');
    const first = await createKey('family');
    const { key: second } = await rotateKey('family', first.id);
    const { key: third } = await rotateKey('family', second.id);
    const other = await createKey('family');
    await evict('family');
    await revokeKey('family', second.id, { lineage: true, reason: 'leaked' });
    for (const key of [first, second, third]) expect((await verify(key.secret)).code).toBe('REVOKED');
    expect((await verify(other.secret)).code).toBe('VALID');
    const entries = await walk('/tenants/family/audit?action=key.revoke');
    expect(entries.map(({ keyId }) => keyId).sort()).toEqual([first.id, second.id, third.id].sort());
    for (const { changes } of entries) expect(changes).toEqual({ reason: 'leaked', lineage: first.id });
  });
});

it('gets the response that an earlier version kept, which held two records instead of their text', async () => {
  await createTenant('kept');
  const key = await createKey('kept');
  const rotate = () => api('POST', `/tenants/kept/keys/${key.id}/rotate`, undefined, { 'Idempotency-Key': 'once' });
  const first = await rotate();
  await sqlIn('kept', "UPDATE idempotency SET answer = json_set(answer, '$.value', json(answer ->> '$.value'))");
  const again = await rotate();
  expect([again.status, again.body]).toEqual([201, first.body]);
  expect(again.headers.get('Idempotency-Replayed')).toBe('true');
});

it('fills the room that the row of the key left for it', async () => {
  await createTenant('room');
  const key = await createKey('room');
  await rotateKey('room', key.id);
  const rows = await sqlIn('room', 'SELECT length(room) AS bytes FROM keys ORDER BY seq');
  expect(rows.map(({ bytes }) => bytes)).toEqual([null, ROOM_BYTES]);
});
