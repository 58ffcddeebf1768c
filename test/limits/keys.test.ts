/** Limits of keys over HTTP: how they are given, what a verification makes of them, and what survives. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { ALLOWANCES } from '../../domain/limits/limit.ts';
import { isolateMemory } from '../../domain/memory/budget.ts';
import { keyResource } from '../../src/api/keys/schemas.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import { api, createKey, createTenant, getKey, rotateKey, updateKey, verify, walk } from '../support/api.ts';
import { as, managementKey, outcomeOf } from '../support/callers.ts';
import { advance, at, hurryTimers, pretendTime, START } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict, runAlarm, runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();
hurryTimers();

const MINUTE = { name: 'calls', limit: 5, windowSeconds: 60 };
const DAY = { name: 'daily', limit: 10, period: 'day' };

const codesOf = async (secret: string, times: number, input: object = {}) => {
  const codes: string[] = [];
  for (let i = 0; i < times; i++) codes.push((await verify(secret, input)).code);
  return codes;
};
const remaining = async (secret: string) =>
  (await verify(secret, { cost: 0 })).limits?.map(({ name, remaining }) => [name, remaining]);

describe('limits of a key', () => {
  it('are given at creation, shown with the key and in lists, and changed one list at a time', async () => {
    await createTenant('given');
    const full = { per: 'key', automatic: true };
    const key = await createKey('given', {
      rateLimits: [MINUTE],
      quotas: [{ ...DAY, per: 'owner', automatic: false }],
    });
    const shown = { rateLimits: [{ ...MINUTE, ...full }], quotas: [{ ...DAY, per: 'owner', automatic: false }] };
    expect(key).toMatchObject(shown);
    expect(await getKey('given', key.id)).toMatchObject(shown);
    expect(await walk('/tenants/given/keys')).toMatchObject([shown]);
    expect(await createKey('given')).toMatchObject({ rateLimits: [], quotas: [] });
    expect(await updateKey('given', key.id, { rateLimits: null })).toMatchObject({ ...shown, rateLimits: [] });
    expect(await updateKey('given', key.id, { quotas: [DAY] })).toMatchObject({ quotas: [{ ...DAY, ...full }] });
    const { body } = await api('GET', '/tenants/given/audit?action=key.update');
    expect(body).toMatchObject({
      data: [
        { changes: { quotas: { from: shown.quotas, to: [{ ...DAY, ...full }] } } },
        { changes: { rateLimits: { from: shown.rateLimits, to: [] } } },
      ],
    });
  });

  it('are bounded, and have names of their own', async () => {
    await createTenant('bounds');
    const many = Array.from({ length: 5 }, (_, i) => ({ ...MINUTE, name: `m${i}` }));
    const quotas = many.slice(1).map(({ name }) => ({ ...DAY, name: `q${name}` }));
    const refused = async (input: object) =>
      outcomeOf(await api('POST', '/tenants/bounds/keys', { name: 'k', ...input }));
    const invalid = '422 validation_failed';
    expect(await refused({ rateLimits: many, quotas })).toBe(invalid);
    expect(await refused({ rateLimits: many, quotas: quotas.slice(1) })).toBe('201');
    expect(await refused({ rateLimits: [MINUTE, MINUTE] })).toBe(invalid);
    expect(await refused({ rateLimits: [MINUTE], quotas: [{ ...DAY, name: MINUTE.name }] })).toBe(invalid);
    for (const wrong of [{ limit: -1 }, { limit: 1.5 }, { limit: 1e9 + 1 }, { windowSeconds: 0 }, { name: 'a b' }]) {
      expect(await refused({ rateLimits: [{ ...MINUTE, ...wrong }] }), JSON.stringify(wrong)).toBe(invalid);
    }
    const { body } = await api('POST', '/tenants/bounds/keys/bulk', {
      keys: [{ name: 'a' }, { name: 'b', rateLimits: [MINUTE, MINUTE] }],
    });
    expect(body).toMatchObject({ errors: [{ path: 'keys.1.quotas' }] });
    const key = await createKey('bounds', { rateLimits: [MINUTE] });
    const patch = { quotas: [{ ...DAY, name: MINUTE.name }] };
    expect(outcomeOf(await api('PATCH', `/tenants/bounds/keys/${key.id}`, patch))).toBe(invalid);
  });

  it('go to a successor; whoever may only rotate can lower them, and no more', async () => {
    await createTenant('rights');
    const rotator = as((await managementKey({ permissions: ['keys:rotate', 'keys:read'] })).secret);
    const rotated = async (input: object) => {
      const { id } = await createKey('rights', { rateLimits: [MINUTE], quotas: [DAY] });
      return api('POST', `/tenants/rights/keys/${id}/rotate`, input, rotator);
    };
    const limitsOf = ({ body }: { body: unknown }) => v.parse(v.object({ key: v.looseObject({}) }), body).key;
    expect(limitsOf(await rotated({}))).toMatchObject({ rateLimits: [MINUTE], quotas: [DAY] });
    const lower = { rateLimits: [{ ...MINUTE, limit: 1, windowSeconds: 61 }] };
    expect(limitsOf(await rotated(lower))).toMatchObject({ ...lower, quotas: [DAY] });
    for (const wider of [
      // It could replace a limit of a plan.
      { rateLimits: [MINUTE, { ...MINUTE, name: 'more', limit: 1 }] },
      { rateLimits: [] },
      { quotas: null },
      { rateLimits: [{ ...MINUTE, limit: 6 }] },
      { rateLimits: [{ ...MINUTE, windowSeconds: 59 }] },
      { rateLimits: [{ ...MINUTE, automatic: false }] },
      { rateLimits: [{ ...MINUTE, per: 'owner' }] },
      { quotas: [{ ...DAY, period: 'hour' }] },
    ]) {
      expect(outcomeOf(await rotated(wider)), JSON.stringify(wider)).toBe('403 forbidden keys:update');
    }
  });
});

describe('a verification', () => {
  it('spends a unit of each automatic limit, says how they stand, and is refused beyond', async () => {
    await createTenant('spends');
    const { secret } = await createKey('spends', { rateLimits: [MINUTE], quotas: [DAY] });
    expect((await verify(secret)).limits).toEqual([
      { name: 'calls', limit: 5, remaining: 4, resetsAt: at(START + 60_061) },
      { name: 'daily', limit: 10, remaining: 9, resetsAt: at(START + 86_400_000) },
    ]);
    expect(await codesOf(secret, 5)).toEqual(['VALID', 'VALID', 'VALID', 'VALID', 'RATE_LIMITED']);
    advance(60_060);
    expect(await verify(secret)).toMatchObject({
      valid: false,
      code: 'RATE_LIMITED',
      limits: [
        { name: 'calls', remaining: 0, retryAfterMs: 1 },
        { name: 'daily', remaining: 5 },
      ],
      warnings: [],
    });
    advance(1);
    expect(await codesOf(secret, 5)).toEqual(Array(5).fill('VALID'));
    advance(60_061);
    expect(await verify(secret)).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      limits: [
        { name: 'calls', remaining: 5 },
        { name: 'daily', remaining: 0, retryAfterMs: 86_400_000 - 120_122 },
      ],
    });
    advance(86_400_000);
    expect(await codesOf(secret, 1)).toEqual(['VALID']);
  });

  it('takes a cost, asks with cost 0, and says when a cost is never granted', async () => {
    await createTenant('costs');
    const { secret } = await createKey('costs', { rateLimits: [MINUTE] });
    expect(await verify(secret, { cost: 6 })).toMatchObject({
      code: 'RATE_LIMITED',
      limits: [{ remaining: 5, retryAfterMs: null }],
    });
    expect(await codesOf(secret, 2, { cost: 3 })).toEqual(['VALID', 'RATE_LIMITED']);
    expect(await codesOf(secret, 1, { cost: 2 })).toEqual(['VALID']);
    expect(await verify(secret, { cost: 0 })).toMatchObject({ code: 'VALID', limits: [{ remaining: 0 }] });
  });

  it('charges limits that are not automatic only when it names them; other names limit nothing', async () => {
    await createTenant('named');
    const exports = { name: 'exports', limit: 2, windowSeconds: 60, automatic: false };
    const { secret } = await createKey('named', { rateLimits: [MINUTE, exports] });
    expect((await verify(secret)).limits).toMatchObject([{ name: 'calls', remaining: 4 }]);
    const named = { limits: [{ name: 'exports', cost: 2 }, { name: 'unknown' }] };
    expect((await verify(secret, named)).limits).toMatchObject([{ remaining: 3 }, { name: 'exports', remaining: 0 }]);
    // All or nothing: the refusal of one limit charges no other.
    expect(await verify(secret, named)).toMatchObject({
      code: 'RATE_LIMITED',
      limits: [
        { name: 'calls', remaining: 3 },
        { name: 'exports', remaining: 0 },
      ],
    });
    expect((await verify(secret, { limits: [{ name: 'calls', cost: 3 }] })).limits).toMatchObject([{ remaining: 0 }]);
    const twice = { key: secret, limits: [{ name: 'a' }, { name: 'a' }] };
    expect(outcomeOf(await api('POST', '/keys/verify', twice))).toBe('422 validation_failed');
  });

  it('is charged nothing when it is refused for another reason', async () => {
    await createTenant('refused');
    const key = await createKey('refused', { rateLimits: [MINUTE], scopes: ['a'] });
    const refused = await verify(key.secret, { scopes: ['b'] });
    expect(refused.code).toBe('INSUFFICIENT_SCOPES');
    expect(refused).not.toHaveProperty('limits');
    await updateKey('refused', key.id, { enabled: false });
    expect(await codesOf(key.secret, 1)).toEqual(['DISABLED']);
    await updateKey('refused', key.id, { enabled: true });
    expect(await remaining(key.secret)).toEqual([['calls', 5]]);
  });

  it('of a key without limits says nothing of limits, whatever it costs', async () => {
    await createTenant('free');
    const { secret } = await createKey('free');
    expect(await verify(secret, { cost: 1000, limits: [{ name: 'x' }] })).not.toHaveProperty('limits');
  });
});

describe('the counter of a limit', () => {
  it('is shared by a key and its successors, during grace and after', async () => {
    await createTenant('shared');
    const first = await createKey('shared', { rateLimits: [MINUTE] });
    await codesOf(first.secret, 2);
    const { key: second } = await rotateKey('shared', first.id, { gracePeriodSeconds: 60 });
    await codesOf(second.secret, 2);
    const { key: third } = await rotateKey('shared', second.id, { gracePeriodSeconds: 0 });
    expect(await remaining(first.secret)).toEqual([['calls', 1]]);
    expect(await codesOf(third.secret, 2)).toEqual(['VALID', 'RATE_LIMITED']);
    expect(await codesOf(first.secret, 1)).toEqual(['RATE_LIMITED']);
  });

  it('is shared by all keys of an owner where it is per owner', async () => {
    await createTenant('owned');
    const limits = { rateLimits: [{ ...MINUTE, per: 'owner' }] };
    const of = (owner: string | null) => createKey('owned', { owner, ...limits });
    const [a, b, other, none] = [await of('c'), await of('c'), await of('d'), await of(null)];
    await codesOf(a.secret, 5);
    expect(await codesOf(b.secret, 1)).toEqual(['RATE_LIMITED']);
    expect(await codesOf(other.secret, 1)).toEqual(['VALID']);
    expect(await codesOf(none.secret, 1)).toEqual(['VALID']);
  });

  it('lets a higher limit count at once, and a lower one bring nothing back', async () => {
    await createTenant('changes');
    const { id, secret } = await createKey('changes', { rateLimits: [MINUTE] });
    await codesOf(secret, 5);
    const to = (limit: number) => updateKey('changes', id, { rateLimits: [{ ...MINUTE, limit }] });
    await to(7);
    expect(await codesOf(secret, 1)).toEqual(['VALID']);
    await to(1);
    expect(await codesOf(secret, 1)).toEqual(['RATE_LIMITED']);
    await updateKey('changes', id, { rateLimits: null });
    expect(await codesOf(secret, 1)).toEqual(['VALID']);
    await to(7);
    expect(await remaining(secret)).toEqual([['calls', 1]]);
    // A quota of the same name counts for itself.
    await updateKey('changes', id, { rateLimits: null, quotas: [{ ...DAY, name: 'calls' }] });
    expect(await codesOf(secret, 1)).toEqual(['VALID']);
  });

  it('survives an eviction of the object', async () => {
    await createTenant('survives');
    const { secret } = await createKey('survives', { rateLimits: [MINUTE], quotas: [{ ...DAY, limit: 1000 }] });
    await codesOf(secret, 3);
    // The object writes what only memory knows when nobody has used the counter for some seconds.
    advance(4000);
    await evict('survives');
    expect(await remaining(secret)).toEqual([
      ['calls', 2],
      ['daily', 997],
    ]);
    expect(await codesOf(secret, 3)).toEqual(['VALID', 'VALID', 'RATE_LIMITED']);
  });

  it('is not written at each verification, and not at all when nothing is spent', async () => {
    await createTenant('blocks');
    const { secret } = await createKey('blocks', { rateLimits: [{ ...MINUTE, limit: 1000 }] });
    await verify(secret, { cost: 0 });
    expect(await sqlIn('blocks', 'SELECT * FROM counters')).toEqual([]);
    await sqlIn('blocks', 'CREATE TABLE writes (n INTEGER)');
    await sqlIn('blocks', 'CREATE TRIGGER counted AFTER UPDATE ON counters BEGIN INSERT INTO writes VALUES (1); END');
    expect(await codesOf(secret, 200)).toEqual(Array(200).fill('VALID'));
    const [{ n } = {}] = await sqlIn('blocks', 'SELECT count(*) AS n FROM writes');
    expect(n).toBeLessThan(10);
  });

  it('is written off before it is spent: without a write nothing is admitted', async () => {
    await createTenant('unwritten');
    const { secret } = await createKey('unwritten', { rateLimits: [{ ...MINUTE, limit: 100 }] });
    await codesOf(secret, 2);
    for (const event of ['INSERT', 'UPDATE']) {
      await sqlIn(
        'unwritten',
        `CREATE TRIGGER refuse_${event} BEFORE ${event} ON counters BEGIN SELECT RAISE(ABORT, 'no'); END`,
      );
    }
    const send = async () => outcomeOf(await api('POST', '/keys/verify', { key: secret }));
    // One unit is left of what was written off.
    expect(await send()).toBe('200');
    expect(await send()).toBe('503 unavailable');
    await sqlIn('unwritten', 'DROP TRIGGER refuse_UPDATE');
    expect(await send()).toBe('200');
    const [[, left] = []] = (await remaining(secret)) ?? [];
    expect(left).toBeGreaterThan(90);
    expect(left).toBeLessThanOrEqual(96);
  });

  it('is deleted by an alarm when nothing of it counts any more', async () => {
    await createTenant('deleted');
    const { secret } = await createKey('deleted', { rateLimits: [MINUTE] });
    await codesOf(secret, 2);
    const rows = () => sqlIn('deleted', 'SELECT name FROM counters');
    expect(await rows()).toHaveLength(1);
    advance(3_600_000);
    expect(await runDueAlarm('deleted')).toBe(false);
    advance(3 * 3_600_000);
    // Memory may still know more than the row; then the row is written anew first.
    await runDueAlarm('deleted');
    advance(4 * 3_600_000);
    await runDueAlarm('deleted');
    expect(await rows()).toEqual([]);
    await runAlarm('deleted');
    expect(await remaining(secret)).toEqual([['calls', 5]]);
  });

  it('is within the memory of the isolate, and counts no less when it was pushed out', async () => {
    await createTenant('memory');
    const before = isolateMemory.bytes;
    const { secret } = await createKey('memory', { rateLimits: [{ ...MINUTE, limit: 100 }] });
    await codesOf(secret, 4);
    expect(isolateMemory.bytes - before).toBeGreaterThan(5000);
    // An entry as large as all memory pushes out everything, and goes itself.
    isolateMemory.add({ bytes: isolateMemory.bytesMax + 1, older: null, newer: null, evict: () => {} });
    expect(isolateMemory.bytes).toBe(0);
    advance(30_000);
    const [[, left] = []] = (await remaining(secret)) ?? [];
    expect(left).toBe(93);
    advance(31_061 + ALLOWANCES.unknownLeaseMs);
    // Of the open block nobody knows when it was spent, or whether an earlier instance of the object left it.
    expect(await remaining(secret)).toEqual([['calls', 100]]);
  });
});

describe('a key with limits', () => {
  it('is decided by its object alone, also while others are leased', async () => {
    await createTenant('asked', { settings: { leaseSeconds: 10 } });
    const limited = await createKey('asked', { rateLimits: [{ ...MINUTE, limit: 3 }] });
    const other = await createKey('asked');
    const { env: watched, calls } = faultyEnv();
    const ask = async (key: string) => {
      const { body } = await apiWith(watched, 'POST', '/keys/verify', { key });
      return v.parse(verification, body).code;
    };
    for (let i = 0; i < 3; i++) expect(await ask(other.secret)).toBe('VALID');
    const before = calls.length;
    for (let i = 0; i < 3; i++) expect(await ask(limited.secret)).toBe('VALID');
    expect(await ask(limited.secret)).toBe('RATE_LIMITED');
    expect(calls.length - before).toBe(4);
    expect(await ask(other.secret)).toBe('VALID');
    expect(calls.length - before).toBe(4);
  });

  it('admits no more than its limit to many at once', async () => {
    await createTenant('burst', { settings: { leaseSeconds: 1 } });
    const { secret } = await createKey('burst', { rateLimits: [{ ...MINUTE, limit: 20 }] });
    const codes = await Promise.all(Array.from({ length: 60 }, async () => (await verify(secret)).code));
    expect(codes.filter((code) => code === 'VALID')).toHaveLength(20);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(40);
  });

  it('is leased again once its limits are taken away, and asks at once when it gets some', async () => {
    await createTenant('back', { settings: { leaseSeconds: 1 } });
    const { id, secret } = await createKey('back');
    await codesOf(secret, 3);
    const { body } = await api('PATCH', `/tenants/back/keys/${id}`, { rateLimits: [{ ...MINUTE, limit: 1 }] });
    expect(v.parse(keyResource, body).rateLimits).toHaveLength(1);
    // The change has waited for the lease, while the test's clock stood still.
    advance(1000);
    expect(await codesOf(secret, 2)).toEqual(['VALID', 'RATE_LIMITED']);
    await updateKey('back', id, { rateLimits: null });
    expect(await codesOf(secret, 2)).toEqual(['VALID', 'VALID']);
  });
});
