/** Spends are written in the transaction that answers, and a repeated verification does not spend again. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { addSpend, RecentSpends, remainingAfter } from '../../domain/limits/recent-spends.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import { api, createKey, createTenant, rotateKey, updateKey, verify } from '../support/api.ts';
import { outcomeOf } from '../support/callers.ts';
import { advance, pretendTime } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict, sqlIn, tenantObject } from '../support/objects.ts';
import { balance, change, createOwner, key, owner, spend } from './credits.ts';

pretendTime();

const CALLS = { name: 'calls', limit: 10, windowSeconds: 60 };

describe('a verification whose answer is lost', () => {
  it('is repeated by the Worker, gets the first answer and spends once', async () => {
    await createTenant('spends-lost');
    const { id, secret } = await createKey('spends-lost', { rateLimits: [CALLS], credits: { remaining: 10 } });
    for (const left of [7, 4]) {
      const { env: faulty, calls } = faultyEnv({ method: 'verifyKey', times: 2, when: 'after' });
      const { body } = await apiWith(faulty, 'POST', '/keys/verify', { key: secret, cost: 3 });
      expect(v.parse(verification, body)).toMatchObject({
        code: 'VALID',
        credits: { remaining: left },
        limits: [{ remaining: left }],
      });
      expect(calls.filter((method) => method === 'verifyKey')).toHaveLength(3);
      expect(await balance(key('spends-lost', id))).toBe(left);
    }
    expect((await verify(secret, { cost: 0 })).limits).toMatchObject([{ remaining: 4 }]);
  });

  it('spends once although the object was started anew in between', async () => {
    await createTenant('spends-anew');
    const limits = { rateLimits: [{ ...CALLS, limit: 13 }] };
    const { id, secret } = await createKey('spends-anew', { ...limits, credits: { remaining: 10 } });
    const [{ digest } = {}] = await sqlIn('spends-anew', 'SELECT digest FROM keys');
    if (!(digest instanceof ArrayBuffer)) throw new Error('the key has no digest');
    const ask = async (spendId?: string) => {
      const object = await tenantObject('spends-anew');
      const call = { known: null, uses: [] };
      return object.verifyKey(id, new Uint8Array(digest), [], call, false, { cost: 3, limits: [] }, spendId);
    };
    expect(await ask('v_a')).toMatchObject({ code: 'VALID', credits: { remaining: 7 } });
    expect(await ask('v_b')).toMatchObject({ code: 'VALID', credits: { remaining: 4 } });
    advance(4000);
    await evict('spends-anew');
    expect(await ask('v_a')).toMatchObject({ code: 'VALID', credits: { remaining: 7 }, limits: [{ remaining: 7 }] });
    expect(await ask('v_b')).toMatchObject({ code: 'VALID', credits: { remaining: 4 }, limits: [{ remaining: 7 }] });
    expect(await balance(key('spends-anew', id))).toBe(4);
    // One that was refused has spent nothing, so it is decided anew.
    expect(await ask('v_c')).toMatchObject({ code: 'VALID', credits: { remaining: 1 } });
    expect(await ask('v_d')).toMatchObject({ code: 'INSUFFICIENT_CREDITS' });
    await change(key('spends-anew', id), 'set', 5);
    expect(await ask('v_d')).toMatchObject({ code: 'VALID', credits: { remaining: 2 }, limits: [{ remaining: 1 }] });
    // A call without an id spends each time.
    advance(60_061);
    await change(key('spends-anew', id), 'set', 6);
    expect(await ask()).toMatchObject({ code: 'VALID', credits: { remaining: 3 } });
    expect(await ask()).toMatchObject({ code: 'VALID', credits: { remaining: 0 } });
    expect(await spend(secret)).toBe('INSUFFICIENT_CREDITS 0');
  });

  it('is told the present state of the key, also when it spent something', async () => {
    await createTenant('spends-state');
    const { id, secret } = await createKey('spends-state', { credits: { remaining: 10 } });
    const { env: faulty } = faultyEnv({ method: 'verifyKey', times: 1, when: 'after' });
    const answer = apiWith(faulty, 'POST', '/keys/verify', { key: secret });
    expect(v.parse(verification, (await answer).body)).toMatchObject({ code: 'VALID', credits: { remaining: 9 } });
    await api('POST', `${key('spends-state', id)}/revoke`);
    expect(await spend(secret)).toBe('REVOKED');
  });
});

describe('recent spends', () => {
  it('are bounded in memory and in the row', () => {
    const recent = new RecentSpends<number>();
    let text = '';
    for (let i = 0; i < 3000; i++) {
      recent.remember(`v_${i}`, i);
      text = addSpend(text, `v_${i}`, 3000 - i);
    }
    expect([recent.find('v_2999'), recent.find('v_2000'), recent.find('v_1999')]).toEqual([2999, 2000, undefined]);
    expect(text.length).toBeLessThanOrEqual(400);
    expect([remainingAfter(text, 'v_2999'), remainingAfter(text, 'v_2985'), remainingAfter(text, 'v_1')]).toEqual([
      1,
      15,
      null,
    ]);
  });
});

describe('a spend that cannot be written', () => {
  it('is not admitted; other keys go on, and so does this one when it can be written again', async () => {
    await createTenant('spends-unwritten');
    const { id, secret } = await createKey('spends-unwritten', { rateLimits: [CALLS], credits: { remaining: 10 } });
    const other = await createKey('spends-unwritten');
    expect(await spend(secret)).toBe('VALID 9');
    await sqlIn(
      'spends-unwritten',
      "CREATE TRIGGER refuse BEFORE UPDATE ON credits BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    expect(outcomeOf(await api('POST', '/keys/verify', { key: secret }))).toBe('503 unavailable');
    expect(await spend(other.secret)).toBe('VALID');
    // Asking writes nothing.
    expect(await spend(secret, 0)).toBe('VALID 9');
    expect(outcomeOf(await change(key('spends-unwritten', id), 'set', 1))).toBe('503 unavailable');
    await sqlIn('spends-unwritten', 'DROP TRIGGER refuse');
    expect(await spend(secret)).toBe('VALID 8');
    const [{ remaining } = {}] = (await verify(secret, { cost: 0 })).limits ?? [];
    // Attempts that failed may have cost units of the limit, and never gave any back.
    expect(remaining).toBeLessThanOrEqual(8);
  });
});

describe('a key with credits', () => {
  const watch = () => {
    const { env: watched, calls } = faultyEnv();
    const ask = async (secret: string) => {
      const { body } = await apiWith(watched, 'POST', '/keys/verify', { key: secret });
      return v.parse(verification, body).code;
    };
    return { ask, calls };
  };

  it('is decided by its object alone, also while others are leased; its revocation is leased', async () => {
    await createTenant('spends-asked', { settings: { leaseSeconds: 10 } });
    const metered = await createKey('spends-asked', { credits: { remaining: 3 } });
    const other = await createKey('spends-asked');
    const { ask, calls } = watch();
    for (let i = 0; i < 3; i++) expect(await ask(other.secret)).toBe('VALID');
    const before = calls.length;
    for (let i = 0; i < 3; i++) expect(await ask(metered.secret)).toBe('VALID');
    for (let i = 0; i < 2; i++) expect(await ask(metered.secret)).toBe('INSUFFICIENT_CREDITS');
    expect(calls.length - before).toBe(5);
    await api('POST', `${key('spends-asked', metered.id)}/revoke`);
    for (let i = 0; i < 3; i++) expect(await ask(metered.secret)).toBe('REVOKED');
    expect(calls.length - before).toBe(6);
  });

  it.each(['its own', 'of a key in its lineage', 'of its owner'])(
    'asks at once when it gets some: %s',
    async (whose) => {
      const tenant = `spends-gets-${whose.length}`;
      await createTenant(tenant, { settings: { leaseSeconds: 1 } });
      await createOwner(tenant, { id: 'c' });
      const { id, secret } = await createKey(tenant, { owner: 'c' });
      const { ask, calls } = watch();
      const { key: successor } = await rotateKey(tenant, id, { gracePeriodSeconds: 600 });
      for (let i = 0; i < 3; i++) expect(await ask(secret)).toBe('VALID');
      const before = calls.length;
      expect(await ask(secret)).toBe('VALID');
      expect(calls.length).toBe(before);
      // The change returns when the lease of before is over, while the test's clock stands still.
      const credits = { remaining: 1 };
      if (whose === 'its own') await updateKey(tenant, id, { credits });
      else if (whose === 'of its owner') await api('PATCH', owner(tenant, 'c'), { credits });
      else await updateKey(tenant, successor.id, { credits });
      advance(1100);
      expect([await ask(secret), await ask(secret)]).toEqual(['VALID', 'INSUFFICIENT_CREDITS']);
    },
  );
});
