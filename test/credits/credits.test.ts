/** Credits of keys and owners over HTTP: how they are given and changed, and who draws on them. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { keyWithSecret } from '../../src/api/keys/schemas.ts';
import {
  api,
  createKey,
  createTenant,
  deleteKey,
  getKey,
  revokeKey,
  rotateKey,
  updateKey,
  verify,
  walk,
} from '../support/api.ts';
import { as, managementKey, outcomeOf } from '../support/callers.ts';
import { advance, at, hurryTimers, pretendTime, START } from '../support/clock.ts';
import { evict, runAlarm, sqlIn } from '../support/objects.ts';
import { balance, change, createOwner, creditsIn, key, owner, spend } from './credits.ts';

pretendTime();
hurryTimers();

const DAY_MS = 86_400_000;
const DAILY = { amount: 100, interval: 'day' };

describe('credits', () => {
  it('are given at creation, shown with the key and in lists, changed and taken away', async () => {
    await createTenant('credits-given');
    const made = await createKey('credits-given', { credits: { remaining: 5, refill: DAILY } });
    const shown = { remaining: 5, refill: DAILY, nextRefillAt: at(START + DAY_MS) };
    expect(made.credits).toEqual(shown);
    expect((await getKey('credits-given', made.id)).credits).toEqual(shown);
    expect(await createKey('credits-given')).toMatchObject({ credits: null });
    expect(await walk('/tenants/credits-given/keys')).toMatchObject([{ credits: null }, { credits: shown }]);
    const refill = { amount: 7, interval: 'month', day: 31 };
    const patched = await updateKey('credits-given', made.id, { credits: { refill } });
    expect(patched).toMatchObject({
      version: 2,
      credits: { remaining: 5, refill, nextRefillAt: at(START + 30 * DAY_MS) },
    });
    expect(await updateKey('credits-given', made.id, { credits: { remaining: 9 } })).toMatchObject({
      credits: { remaining: 9, refill },
    });
    // Nothing differs.
    expect(await updateKey('credits-given', made.id, { credits: { remaining: 9, refill } })).toMatchObject({
      version: 3,
    });
    expect(await updateKey('credits-given', made.id, { credits: null })).toMatchObject({ version: 4, credits: null });
    const { body } = await api('GET', '/tenants/credits-given/audit?action=key.update');
    expect(body).toMatchObject({
      data: [
        { changes: { credits: { from: { remaining: 9, refill }, to: null } } },
        { changes: { credits: { from: { remaining: 5, refill }, to: { remaining: 9, refill } } } },
        { changes: { credits: { from: { remaining: 5, refill: DAILY }, to: { remaining: 5, refill } } } },
      ],
    });
    const created = await api('GET', '/tenants/credits-given/audit?action=key.create');
    expect(created.body).toMatchObject({
      data: [{ action: 'key.create' }, { changes: { credits: { remaining: 5, refill: DAILY } } }],
    });
  });

  it('are given in bulk', async () => {
    await createTenant('credits-bulk');
    const keys = [{ name: 'a', credits: { remaining: 1 } }, { name: 'b' }];
    const { body } = await api('POST', '/tenants/credits-bulk/keys/bulk', { keys });
    const [a, b] = v.parse(v.object({ data: v.array(keyWithSecret) }), body).data;
    expect([a?.credits, b?.credits]).toEqual([{ remaining: 1, refill: null, nextRefillAt: null }, null]);
    expect([await spend(a?.secret ?? ''), await spend(b?.secret ?? '')]).toEqual(['VALID 0', 'VALID']);
  });

  it('are bounded', async () => {
    await createTenant('credits-bounds');
    const refused = async (credits: unknown) =>
      outcomeOf(await api('POST', '/tenants/credits-bounds/keys', { name: 'k', credits }));
    const invalid = '422 validation_failed';
    for (const wrong of [
      {},
      { remaining: -1 },
      { remaining: 0.5 },
      { remaining: 1e12 + 1 },
      { remaining: 1, refill: { amount: 1 } },
      { remaining: 1, refill: { amount: 0, interval: 'day' } },
      { remaining: 1, refill: { amount: 1, interval: 'day', day: 1 } },
      { remaining: 1, refill: { amount: 1, interval: 'month' } },
      { remaining: 1, refill: { amount: 1, interval: 'month', day: 32 } },
      { remaining: 1, refill: { amount: 1, interval: 'week' } },
      5,
    ]) {
      expect(await refused(wrong), JSON.stringify(wrong)).toBe(invalid);
    }
    const { id } = await createKey('credits-bounds', { credits: { remaining: 1e12, refill: null } });
    expect(outcomeOf(await api('PATCH', key('credits-bounds', id), { credits: {} }))).toBe(invalid);
    expect(creditsIn(await change(key('credits-bounds', id), 'increment', 1e12))).toMatchObject({ remaining: 1e12 });
    expect(outcomeOf(await api('POST', '/tenants/credits-bounds/plans', { id: 'p', credits: { remaining: 1 } }))).toBe(
      invalid,
    );
  });

  it('are set, incremented, and decremented down to zero, each with an audit entry', async () => {
    await createTenant('credits-balance');
    const { id, version } = await createKey('credits-balance', { credits: { remaining: 5 } });
    const path = key('credits-balance', id);
    const changed = await change(path, 'increment', 10);
    expect(changed.headers.get('ETag')).toBe(`"${version}"`);
    expect(creditsIn(changed)).toMatchObject({ remaining: 15 });
    expect(creditsIn(await change(path, 'decrement', 4))).toMatchObject({ remaining: 11 });
    expect(creditsIn(await change(path, 'decrement', 40))).toMatchObject({ remaining: 0 });
    expect(creditsIn(await change(path, 'decrement', 1))).toMatchObject({ remaining: 0 });
    expect(creditsIn(await change(path, 'set', 3))).toMatchObject({ remaining: 3 });
    const { body } = await api('GET', `/tenants/credits-balance/audit?action=key.credits&keyId=${id}`);
    const entry = (operation: string, amount: number, from: number, to: number) => ({
      keyId: id,
      changes: { operation, amount, remaining: { from, to } },
    });
    expect(body).toMatchObject({
      data: [
        entry('set', 3, 0, 3),
        entry('decrement', 40, 11, 0),
        entry('decrement', 4, 15, 11),
        entry('increment', 10, 5, 15),
      ],
    });
  });

  it('are changed once by the same Idempotency-Key, and only in an accepted version', async () => {
    await createTenant('credits-once');
    const { id } = await createKey('credits-once', { credits: { remaining: 5 } });
    await createOwner('credits-once', { id: 'c', credits: { remaining: 5 } });
    for (const path of [key('credits-once', id), owner('credits-once', 'c')]) {
      for (const [operation, amount, expected] of [
        ['increment', 10, 15],
        ['decrement', 3, 12],
        ['set', 20, 20],
      ] as const) {
        const headers = { 'Idempotency-Key': `${path}-${operation}` };
        for (let i = 0; i < 3; i++) {
          const { headers: got, ...response } = await change(path, operation, amount, headers);
          expect(creditsIn(response)).toMatchObject({ remaining: expected });
          expect(got.get('Idempotency-Replayed')).toBe(i === 0 ? null : 'true');
        }
        const reused = await change(path, operation, amount + 1, headers);
        expect(outcomeOf(reused)).toBe('422 idempotency_key_reused');
      }
      expect(await balance(path)).toBe(20);
      expect(outcomeOf(await change(path, 'set', 1, { 'If-Match': '"7"' }))).toBe('412 precondition_failed');
      expect(outcomeOf(await change(path, 'set', 1, { 'If-Match': '"1"' }))).toBe('200');
    }
  });

  it('that are not there are not changed, and those of an ended key neither', async () => {
    await createTenant('credits-none');
    const { id } = await createKey('credits-none', { owner: 'c' });
    for (const path of [key('credits-none', id), owner('credits-none', 'c')]) {
      expect(outcomeOf(await change(path, 'increment', 1))).toBe('409 no_credits');
      expect(outcomeOf(await api('PATCH', path, { credits: { refill: DAILY } }))).toBe('409 no_credits');
      expect(outcomeOf(await api('PATCH', path, { credits: null }))).toBe('200');
      expect(outcomeOf(await api('PATCH', path, { credits: { remaining: 1 } }))).toBe('200');
      expect(outcomeOf(await change(path, 'increment', 1))).toBe('200');
    }
    await revokeKey('credits-none', id);
    expect(outcomeOf(await change(key('credits-none', id), 'increment', 1))).toBe('409 key_not_active');
    expect(await balance(key('credits-none', id))).toBe(2);
    const unknown = `key_${'0'.repeat(17)}`;
    expect(outcomeOf(await change(key('credits-none', unknown), 'set', 1))).toBe('404 key_not_found');
    expect(outcomeOf(await change(owner('credits-none', 'nobody'), 'set', 1))).toBe('404 owner_not_found');
  });

  it('are given only by those who may change the key or the owner; whoever may only rotate cannot', async () => {
    await createTenant('credits-rights');
    const { id } = await createKey('credits-rights', { owner: 'c', credits: { remaining: 1 } });
    const caller = async (permissions: string[]) =>
      as((await managementKey({ permissions, tenantId: 'credits-rights' })).secret);
    const rotator = await caller(['keys:rotate', 'keys:read', 'owners:read']);
    expect(outcomeOf(await change(key('credits-rights', id), 'set', 9, rotator))).toBe('403 forbidden keys:update');
    expect(outcomeOf(await change(owner('credits-rights', 'c'), 'set', 9, rotator))).toBe('403 forbidden owners:write');
    const wider = await api('POST', `${key('credits-rights', id)}/rotate`, { credits: { remaining: 9 } }, rotator);
    expect(outcomeOf(wider)).toBe('422 validation_failed');
    expect(outcomeOf(await change(key('credits-rights', id), 'set', 9, await caller(['keys:update'])))).toBe('200');
  });
});

describe('a verification', () => {
  it('spends its cost or nothing: 5 credits and a cost of 15 is refused, and 5 remain', async () => {
    await createTenant('credits-spends');
    const { secret } = await createKey('credits-spends', { credits: { remaining: 5 } });
    expect(await spend(secret, 15)).toBe('INSUFFICIENT_CREDITS 5');
    expect(await verify(secret)).toMatchObject({ valid: true, code: 'VALID', credits: { remaining: 4 } });
    expect(await verify(secret)).not.toHaveProperty('limits');
    expect(await spend(secret, 3)).toBe('VALID 0');
    expect(await verify(secret)).toMatchObject({
      valid: false,
      code: 'INSUFFICIENT_CREDITS',
      credits: { remaining: 0 },
      warnings: [],
    });
  });

  it('with a cost of 0 asks, also at 0 credits', async () => {
    await createTenant('credits-asks');
    const { secret } = await createKey('credits-asks', { credits: { remaining: 1 } });
    expect([await spend(secret, 0), await spend(secret), await spend(secret, 0)]).toEqual([
      'VALID 1',
      'VALID 0',
      'VALID 0',
    ]);
  });

  it('that is refused for another reason spends nothing, and says nothing of credits', async () => {
    await createTenant('credits-other');
    const { id, secret } = await createKey('credits-other', { owner: 'c', scopes: ['a'], credits: { remaining: 5 } });
    const wrong = await verify(secret, { scopes: ['b'] });
    expect(wrong.code).toBe('INSUFFICIENT_SCOPES');
    expect(wrong).not.toHaveProperty('credits');
    await api('PATCH', owner('credits-other', 'c'), { enabled: false });
    expect(await spend(secret)).toBe('OWNER_DISABLED');
    await api('PATCH', owner('credits-other', 'c'), { enabled: true });
    await updateKey('credits-other', id, { enabled: false });
    expect(await spend(secret)).toBe('DISABLED');
    await updateKey('credits-other', id, { enabled: true });
    expect(await spend(secret, 0)).toBe('VALID 5');
    await revokeKey('credits-other', id);
    expect(await spend(secret)).toBe('REVOKED');
    expect(await balance(key('credits-other', id))).toBe(5);
  });

  it('is all or nothing: a limit that refuses leaves credits and other limits untouched, and vice versa', async () => {
    await createTenant('credits-all');
    const rateLimits = [{ name: 'calls', limit: 2, windowSeconds: 60 }];
    const quotas = [{ name: 'daily', limit: 10, period: 'day' }];
    const { id, secret } = await createKey('credits-all', { rateLimits, quotas, credits: { remaining: 3 } });
    const left = async (input: object) => {
      const { code, limits, credits } = await verify(secret, input);
      return [code, ...(limits?.map(({ remaining }) => remaining) ?? []), credits?.remaining];
    };
    expect(await left({ cost: 3 })).toEqual(['RATE_LIMITED', 2, 10, 3]);
    await updateKey('credits-all', id, { rateLimits: [{ name: 'calls', limit: 20, windowSeconds: 60 }] });
    expect(await left({ cost: 4 })).toEqual(['INSUFFICIENT_CREDITS', 20, 10, 3]);
    expect(await left({ cost: 11 })).toEqual(['QUOTA_EXCEEDED', 20, 10, 3]);
    // A limit may cost something else than the credits.
    expect(await left({ cost: 2, limits: [{ name: 'daily', cost: 10 }] })).toEqual(['VALID', 18, 0, 1]);
    expect(await left({ cost: 1 })).toEqual(['QUOTA_EXCEEDED', 18, 0, 1]);
    expect(await left({ cost: 1, limits: [{ name: 'daily', cost: 0 }] })).toEqual(['VALID', 17, 0, 0]);
  });

  it('draws on the credits of the key, and else on those of its owner', async () => {
    await createTenant('credits-owned');
    await createOwner('credits-owned', { id: 'c', credits: { remaining: 10 } });
    const [a, b] = [await createKey('credits-owned', { owner: 'c' }), await createKey('credits-owned', { owner: 'c' })];
    const own = await createKey('credits-owned', { owner: 'c', credits: { remaining: 1 } });
    const free = await createKey('credits-owned', { owner: 'd' });
    expect([await spend(a.secret, 4), await spend(b.secret, 4), await spend(a.secret, 4)]).toEqual([
      'VALID 6',
      'VALID 2',
      'INSUFFICIENT_CREDITS 2',
    ]);
    expect([await spend(own.secret), await spend(own.secret), await spend(free.secret)]).toEqual([
      'VALID 0',
      'INSUFFICIENT_CREDITS 0',
      'VALID',
    ]);
    expect(await getKey('credits-owned', a.id)).toMatchObject({ credits: null });
    await updateKey('credits-owned', own.id, { credits: null });
    expect(await spend(own.secret)).toBe('VALID 1');
    await updateKey('credits-owned', free.id, { owner: 'c' });
    expect(await spend(free.secret)).toBe('VALID 0');
    expect(creditsIn(await change(owner('credits-owned', 'c'), 'increment', 5))).toMatchObject({ remaining: 5 });
    expect(await spend(b.secret)).toBe('VALID 4');
    await api('PATCH', owner('credits-owned', 'c'), { credits: null });
    expect(await spend(b.secret)).toBe('VALID');
    expect(await walk('/tenants/credits-owned/owners')).toMatchObject([{ credits: null }, { credits: null }]);
    const { body } = await api('GET', '/tenants/credits-owned/audit?action=owner.credits');
    expect(body).toMatchObject({
      data: [{ changes: { owner: 'c', operation: 'increment', amount: 5, remaining: { from: 0, to: 5 } } }],
    });
  });

  it('among 50 at once is admitted exactly as often as there are credits', async () => {
    await createTenant('credits-burst', { settings: { leaseSeconds: 1 } });
    const { id, secret } = await createKey('credits-burst', { credits: { remaining: 20 } });
    const codes = await Promise.all(Array.from({ length: 50 }, async () => (await verify(secret)).code));
    expect(codes.filter((code) => code === 'VALID')).toHaveLength(20);
    expect(codes.filter((code) => code === 'INSUFFICIENT_CREDITS')).toHaveLength(30);
    expect(await balance(key('credits-burst', id))).toBe(0);
  });

  it('is not in the audit log, and its spend survives an eviction of the object', async () => {
    await createTenant('credits-survives');
    const { id, secret } = await createKey('credits-survives', { credits: { remaining: 9 } });
    for (let i = 0; i < 3; i++) await spend(secret);
    await evict('credits-survives');
    expect(await balance(key('credits-survives', id))).toBe(6);
    expect(await spend(secret)).toBe('VALID 5');
    expect(await walk(`/tenants/credits-survives/audit?keyId=${id}`)).toHaveLength(1);
  });
});

describe('a rotation', () => {
  it('keeps the credits once: during grace both keys draw on them, and after it the successor', async () => {
    await createTenant('credits-rotated');
    const first = await createKey('credits-rotated', { credits: { remaining: 10 } });
    const { key: second, rotated } = await rotateKey('credits-rotated', first.id, { gracePeriodSeconds: 60 });
    expect([second.credits, rotated.credits]).toMatchObject([{ remaining: 10 }, { remaining: 10 }]);
    expect([await spend(first.secret, 3), await spend(second.secret, 3)]).toEqual(['VALID 7', 'VALID 4']);
    const { key: third } = await rotateKey('credits-rotated', second.id, { gracePeriodSeconds: 60 });
    expect([await spend(first.secret), await spend(second.secret), await spend(third.secret)]).toEqual([
      'VALID 3',
      'VALID 2',
      'VALID 1',
    ]);
    await api('POST', `${key('credits-rotated', second.id)}/rotation/complete`);
    expect([await spend(second.secret), await spend(third.secret)]).toEqual(['ROTATED', 'VALID 0']);
    expect(creditsIn(await change(key('credits-rotated', first.id), 'set', 8))).toMatchObject({ remaining: 8 });
    expect(await spend(third.secret)).toBe('VALID 7');
  });

  it('that is cancelled leaves the rest to the predecessor', async () => {
    await createTenant('credits-cancelled');
    const first = await createKey('credits-cancelled', { credits: { remaining: 10 } });
    const { key: second } = await rotateKey('credits-cancelled', first.id, { gracePeriodSeconds: 60 });
    await spend(second.secret, 4);
    await api('POST', `${key('credits-cancelled', first.id)}/rotation/cancel`);
    expect([await spend(first.secret), await spend(second.secret)]).toEqual(['VALID 5', 'REVOKED']);
    await deleteKey('credits-cancelled', second.id);
    expect(await spend(first.secret)).toBe('VALID 4');
  });

  it('shares credits that come and go with the other keys of the lineage', async () => {
    await createTenant('credits-lineage');
    const first = await createKey('credits-lineage');
    const { key: second } = await rotateKey('credits-lineage', first.id, { gracePeriodSeconds: 60 });
    expect([await spend(first.secret), await spend(second.secret)]).toEqual(['VALID', 'VALID']);
    await updateKey('credits-lineage', second.id, { credits: { remaining: 2 } });
    expect([await spend(first.secret), await spend(second.secret)]).toEqual(['VALID 1', 'VALID 0']);
    expect(await updateKey('credits-lineage', first.id, { credits: null })).toMatchObject({ credits: null });
    expect([await spend(first.secret), await spend(second.secret)]).toEqual(['VALID', 'VALID']);
  });
});

describe('a refill', () => {
  it('on the 31st happens on the last day of shorter months', async () => {
    await createTenant('credits-months');
    const refill = { amount: 10, interval: 'month', day: 31 };
    const { id, secret } = await createKey('credits-months', { credits: { remaining: 0, refill } });
    // January 2040, then February, which has 29 days in 2040.
    for (const due of ['2040-01-31', '2040-02-29', '2040-03-31', '2040-04-30']) {
      const dueAt = Date.parse(`${due}T00:00:00Z`);
      expect((await getKey('credits-months', id)).credits).toMatchObject({ nextRefillAt: at(dueAt) });
      advance(dueAt - 1 - Date.now());
      expect(await spend(secret)).toBe('INSUFFICIENT_CREDITS 0');
      advance(1);
      expect(await balance(key('credits-months', id))).toBe(10);
      expect(await spend(secret, 10)).toBe('VALID 0');
      expect(await spend(secret)).toBe('INSUFFICIENT_CREDITS 0');
    }
  });

  it('fills up, adds nothing to what is left, and takes nothing away', async () => {
    await createTenant('credits-fills');
    await createOwner('credits-fills', { id: 'c', credits: { remaining: 40, refill: DAILY } });
    const { secret } = await createKey('credits-fills', { owner: 'c' });
    advance(3 * DAY_MS);
    expect(await walk('/tenants/credits-fills/owners')).toMatchObject([
      { credits: { remaining: 100, nextRefillAt: at(START + 4 * DAY_MS) } },
    ]);
    expect(await spend(secret, 0)).toBe('VALID 100');
    await change(owner('credits-fills', 'c'), 'increment', 50);
    advance(DAY_MS);
    expect(await spend(secret, 10)).toBe('VALID 140');
    // A refill that is due under the old rule is made before the rule is changed.
    await spend(secret, 140);
    advance(DAY_MS);
    const { body } = await api('PATCH', owner('credits-fills', 'c'), { credits: { refill: null } });
    expect(body).toMatchObject({ credits: { remaining: 100, refill: null, nextRefillAt: null } });
  });
});

describe('the row of credits', () => {
  const rows = async (tenantId: string) =>
    (await sqlIn(tenantId, 'SELECT holder FROM credits ORDER BY holder')).map(({ holder }) => holder);

  it('goes with the last key of its lineage, deleted or cleaned up', async () => {
    await createTenant('credits-gone', { settings: { leaseSeconds: 0, retentionSeconds: 0 } });
    const alone = await createKey('credits-gone', { credits: { remaining: 1 } });
    await deleteKey('credits-gone', alone.id);
    expect(await rows('credits-gone')).toEqual([]);
    const first = await createKey('credits-gone', { credits: { remaining: 3 } });
    const { key: second } = await rotateKey('credits-gone', first.id, { gracePeriodSeconds: 60 });
    await deleteKey('credits-gone', first.id);
    expect(await rows('credits-gone')).toEqual([`key/${first.id}`]);
    expect(await spend(second.secret)).toBe('VALID 2');
    const { key: third } = await rotateKey('credits-gone', second.id, { gracePeriodSeconds: 0 });
    await runAlarm('credits-gone');
    expect(outcomeOf(await api('GET', key('credits-gone', second.id)))).toBe('404 key_not_found');
    expect(await spend(third.secret)).toBe('VALID 1');
    await revokeKey('credits-gone', third.id);
    expect(await rows('credits-gone')).toEqual([`key/${first.id}`]);
    await runAlarm('credits-gone');
    expect(await rows('credits-gone')).toEqual([]);
  });

  it('goes with its owner', async () => {
    await createTenant('credits-ownerless');
    await createOwner('credits-ownerless', { id: 'c', credits: { remaining: 3 } });
    expect(await rows('credits-ownerless')).toEqual(['owner/c']);
    await api('DELETE', owner('credits-ownerless', 'c'));
    expect(await rows('credits-ownerless')).toEqual([]);
    await createOwner('credits-ownerless', { id: 'c' });
    expect(await balance(owner('credits-ownerless', 'c'))).toBeNull();
  });
});
