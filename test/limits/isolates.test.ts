/**
 * Limits of keys that isolates verify under leases: out of units that the object leaves with them. Each environment is
 * an isolate; all use the same objects.
 */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { VerificationAnswer } from '../../domain/keys/verification-answer.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import { api, createKey, createTenant, rotateKey, updateKey } from '../support/api.ts';
import { outcomeOf } from '../support/callers.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict } from '../support/objects.ts';

const LEASES = { settings: { leaseSeconds: 1 } };
const WIDE = { name: 'wide', limit: 1000, windowSeconds: 600 };
const QUOTA = { name: 'daily', limit: 1000, period: 'day' };

class Isolate {
  readonly #faulty = faultyEnv();

  /** Calls about keys so far. */
  get calls(): number {
    return this.#faulty.calls.filter((method) => method === 'verifyKey' || method === 'renewLease').length;
  }

  async verify(key: string, input: object = {}): Promise<VerificationAnswer> {
    const { body } = await apiWith(this.#faulty.env, 'POST', '/keys/verify', { key, ...input });
    return v.parse(verification, body);
  }

  async codes(key: string, times: number): Promise<string[]> {
    const codes: string[] = [];
    for (let i = 0; i < times; i++) codes.push((await this.verify(key)).code);
    return codes;
  }

  /** Verifies until units are held, which takes a few calls. */
  async warm(key: string): Promise<void> {
    for (let i = 0; i < 30; i++) {
      const before = this.calls;
      await this.verify(key);
      if (this.calls === before) return;
    }
    throw new Error('every verification makes a call');
  }
}

const used = async (isolate: Isolate, key: string) => {
  const limits = (await isolate.verify(key, { cost: 0, fresh: true })).limits ?? [];
  return limits.map(({ limit, remaining }) => limit - remaining);
};

describe('a key with limits under a lease', () => {
  it('is verified without a call out of units that the isolate holds, with what remains', async () => {
    await createTenant('held', LEASES);
    const { secret } = await createKey('held', { rateLimits: [WIDE], quotas: [QUOTA], metadata: { limits: [] } });
    const isolate = new Isolate();
    await isolate.warm(secret);
    const [first, second] = [await isolate.verify(secret), await isolate.verify(secret)];
    expect(first).toMatchObject({ code: 'VALID', metadata: { limits: [] }, warnings: [] });
    const remaining = first.limits?.map((limit) => limit.remaining) ?? [];
    expect(remaining).toHaveLength(2);
    expect(second.limits?.map((limit) => limit.remaining)).toEqual(remaining.map((units) => units - 1));
    expect(Object.keys(first)).toEqual(Object.keys(await isolate.verify(secret, { fresh: true })));
    const before = isolate.calls;
    await isolate.codes(secret, 300);
    // Each lease brings twice the units of the last one, at first.
    expect(isolate.calls - before).toBeLessThan(60);
  });

  it('never spends more than its limit, from all isolates together', async () => {
    await createTenant('never', LEASES);
    const { secret } = await createKey('never', { rateLimits: [{ ...WIDE, limit: 100 }] });
    const isolates = Array.from({ length: 4 }, () => new Isolate());
    const codes: string[] = [];
    for (let round = 0; round < 40; round++) {
      const some = await Promise.all(isolates.map(async (isolate) => (await isolate.verify(secret)).code));
      codes.push(...some);
    }
    const admitted = codes.filter((code) => code === 'VALID').length;
    expect(admitted).toBeLessThanOrEqual(100);
    expect(admitted).toBeGreaterThanOrEqual(95);
    expect(codes.at(-1)).toBe('RATE_LIMITED');
  });

  it('obeys a changed limit when the change has returned, and brings nothing back', async () => {
    await createTenant('changed', LEASES);
    const { id, secret } = await createKey('changed', { rateLimits: [WIDE] });
    const isolate = new Isolate();
    await isolate.warm(secret);
    await isolate.codes(secret, 20);
    await updateKey('changed', id, { rateLimits: [{ ...WIDE, limit: 10 }] });
    expect(await isolate.codes(secret, 3)).toEqual(['RATE_LIMITED', 'RATE_LIMITED', 'RATE_LIMITED']);
    await updateKey('changed', id, { rateLimits: [{ ...WIDE, limit: 2000 }] });
    expect((await isolate.verify(secret)).code).toBe('VALID');
    expect(outcomeOf(await api('POST', `/tenants/changed/keys/${id}/revoke`, {}))).toBe('200');
    expect((await isolate.verify(secret)).code).toBe('REVOKED');
  });

  it('obeys a changed plan of its owner', async () => {
    await createTenant('planned', LEASES);
    await api('POST', '/tenants/planned/plans', { id: 'pro', rateLimits: [WIDE] });
    await api('POST', '/tenants/planned/plans', { id: 'none', rateLimits: [{ ...WIDE, limit: 0 }] });
    const { secret } = await createKey('planned', { owner: 'acme' });
    await api('PATCH', '/tenants/planned/owners/acme', { plan: 'pro' });
    const isolate = new Isolate();
    await isolate.warm(secret);
    await api('PATCH', '/tenants/planned/owners/acme', { plan: 'none' });
    expect((await isolate.verify(secret)).code).toBe('RATE_LIMITED');
    await api('PATCH', '/tenants/planned/plans/none', { rateLimits: [WIDE] });
    expect((await isolate.verify(secret)).code).toBe('VALID');
  });

  it('shares what it may use with its successor', async () => {
    await createTenant('shared', LEASES);
    const old = await createKey('shared', { rateLimits: [{ ...WIDE, limit: 60 }] });
    const isolates = [new Isolate(), new Isolate()];
    await isolates[0]?.codes(old.secret, 20);
    const { key } = await rotateKey('shared', old.id, {});
    let admitted = 20;
    for (let i = 0; i < 40; i++) {
      for (const [isolate, secret] of [
        [isolates[0], old.secret],
        [isolates[1], key.secret],
      ] as const) {
        if ((await isolate?.verify(secret))?.valid) admitted += 1;
      }
    }
    expect(admitted).toBeLessThanOrEqual(60);
    expect(admitted).toBeGreaterThanOrEqual(55);
  });

  it('waits for a call of another verification that may bring units', async () => {
    await createTenant('burst', LEASES);
    const { secret } = await createKey('burst', { rateLimits: [{ ...WIDE, limit: 100_000 }] });
    const isolate = new Isolate();
    await isolate.codes(secret, 400);
    await scheduler.wait(1100);
    const before = isolate.calls;
    const together = await Promise.all(Array.from({ length: 50 }, () => isolate.verify(secret)));
    expect(together.every(({ valid }) => valid)).toBe(true);
    expect(isolate.calls - before).toBeLessThanOrEqual(2);
  });
});

// Concurrent, because these tests do little but wait.
describe.concurrent('a key with limits under a lease, some time later,', () => {
  it('counts each unit once, wherever it was spent, and takes back what isolates do not use', async () => {
    await createTenant('once', LEASES);
    const { secret } = await createKey('once', { rateLimits: [WIDE], quotas: [QUOTA] });
    const isolates = [new Isolate(), new Isolate(), new Isolate()];
    for (const isolate of isolates) await isolate.codes(secret, 40);
    // Units come back after three seconds, and then rows are written as they are: before the object is put to sleep.
    await scheduler.wait(6500);
    await evict('once');
    expect(await used(new Isolate(), secret)).toEqual([120, 120]);
  });

  it('is refused without a call for as long as the lease lasts, and for that long only', async () => {
    await createTenant('refused', LEASES);
    const { secret } = await createKey('refused', { rateLimits: [{ name: 'short', limit: 5, windowSeconds: 1 }] });
    const isolate = new Isolate();
    await isolate.codes(secret, 12);
    const before = isolate.calls;
    const refused = await isolate.verify(secret);
    if (refused.code === 'RATE_LIMITED') {
      expect(refused.limits?.[0]).toMatchObject({ name: 'short', limit: 5, remaining: 0 });
      expect(refused.limits?.[0]?.retryAfterMs).toBeLessThanOrEqual(1001);
      expect(isolate.calls).toBe(before);
    }
    await scheduler.wait(1100);
    expect((await isolate.verify(secret)).code).toBe('VALID');
  });

  it('charges all of its limits or none, here too', async () => {
    await createTenant('all', LEASES);
    const { secret } = await createKey('all', {
      rateLimits: [WIDE, { ...WIDE, name: 'few', limit: 20, automatic: false }],
    });
    const isolate = new Isolate();
    await isolate.codes(secret, 20);
    const limits = [{ name: 'few' }];
    let admitted = 0;
    for (let i = 0; i < 30; i++) if ((await isolate.verify(secret, { limits })).valid) admitted += 1;
    expect(admitted).toBe(20);
    await scheduler.wait(3500);
    const { limits: standing = [] } = await isolate.verify(secret, { cost: 0, limits, fresh: true });
    expect(standing.map(({ limit, remaining }) => limit - remaining)).toEqual([40, 20]);
  });
});
