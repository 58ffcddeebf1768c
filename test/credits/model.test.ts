/**
 * Random histories of credits over the real objects, against a model: a number that is never below zero. Keys of one
 * lineage and keys of one owner draw on shared credits, answers are lost, objects are evicted, refills come due.
 */
import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { endOfPeriod } from '../../domain/limits/calendar.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import { api, createKey, createTenant, rotateKey, verify } from '../support/api.ts';
import { advance, hurryTimers, pretendTime } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict } from '../support/objects.ts';
import { balance, change, createOwner, key, type Operation, owner } from './credits.ts';

pretendTime();
hurryTimers();

type Step =
  | { readonly type: 'spend'; readonly by: number; readonly cost: number; readonly lost: 'no' | 'before' | 'after' }
  | { readonly type: 'together'; readonly costs: readonly number[] }
  | { readonly type: 'change'; readonly operation: Operation; readonly amount: number }
  | { readonly type: 'refill'; readonly amount: number | null }
  | { readonly type: 'rotate' | 'cancel' | 'complete' }
  | { readonly type: 'wait'; readonly hours: number };

const cost = fc.integer({ min: 0, max: 8 });
const amount = fc.integer({ min: 0, max: 20 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('spend' as const),
        by: fc.nat(5),
        cost,
        lost: fc.constantFrom('no' as const, 'no' as const, 'before' as const, 'after' as const),
      }),
    },
    fc.record({ type: fc.constant('together' as const), costs: fc.array(cost, { minLength: 2, maxLength: 6 }) }),
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('change' as const),
        operation: fc.constantFrom<Operation>('set', 'increment', 'decrement'),
        amount,
      }),
    },
    fc.record({ type: fc.constant('refill' as const), amount: fc.option(fc.integer({ min: 1, max: 20 })) }),
    fc.record({ type: fc.constantFrom('rotate' as const, 'cancel' as const, 'complete' as const) }),
    fc.record({ type: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 30 }) }),
  ),
  { minLength: 5, maxLength: 25 },
);

/** What the credits should be: refilled by day, spent, and changed. */
class Model {
  remaining = 10;
  amount: number | null = null;
  dueAt = Number.POSITIVE_INFINITY;

  see(): void {
    if (Date.now() < this.dueAt || this.amount === null) return;
    this.remaining = Math.max(this.remaining, this.amount);
    this.dueAt = endOfPeriod('day', Date.now());
  }

  refill(amount: number | null): void {
    this.see();
    // The same refill goes on as it was.
    if (amount === this.amount) return;
    this.amount = amount;
    this.dueAt = amount === null ? Number.POSITIVE_INFINITY : endOfPeriod('day', Date.now());
  }

  spend(cost: number): boolean {
    this.see();
    if (cost > this.remaining) return false;
    this.remaining -= cost;
    return true;
  }

  change(operation: Operation, units: number): void {
    this.see();
    const to = { set: units, increment: this.remaining + units, decrement: this.remaining - units }[operation];
    this.remaining = Math.max(to, 0);
  }
}

/** Of each kind. Each takes some tenths of a second. */
const HISTORIES = 8;

let tenants = 0;

async function run(history: readonly Step[], isOwned: boolean): Promise<void> {
  tenants += 1;
  const tenant = `credits-model-${tenants}`;
  await createTenant(tenant);
  const model = new Model();
  const credits = { remaining: model.remaining };
  if (isOwned) await createOwner(tenant, { id: 'c', credits });
  const attributes = isOwned ? { owner: 'c' } : { credits };
  const first = await createKey(tenant, attributes);
  const others = isOwned ? [await createKey(tenant, attributes)] : [];
  /** The lineage, oldest first. The last one is active, the one before it may be in grace. */
  let lineage = [first];
  let hasGrace = false;
  const path = () => (isOwned ? owner(tenant, 'c') : key(tenant, lineage.at(-1)?.id ?? ''));
  const valid = () => [...(hasGrace ? lineage.slice(-2) : lineage.slice(-1)), ...others];

  const step = async (what: Step) => {
    const newest = lineage.at(-1);
    if (newest === undefined) throw new Error('no key is left');
    switch (what.type) {
      case 'spend': {
        const by = valid()[what.by % valid().length];
        const when = what.lost === 'no' ? [] : [{ method: 'verifyKey', times: 1, when: what.lost }];
        const input = { key: by?.secret, cost: what.cost };
        const { body } = await apiWith(faultyEnv(...when).env, 'POST', '/keys/verify', input);
        const answer = v.parse(verification, body);
        expect(answer.code).toBe(model.spend(what.cost) ? 'VALID' : 'INSUFFICIENT_CREDITS');
        expect(answer.credits?.remaining).toBe(model.remaining);
        break;
      }
      case 'together': {
        const answers = await Promise.all(what.costs.map((units) => verify(newest.secret, { cost: units })));
        model.see();
        const spent = what.costs.filter((_, i) => answers[i]?.valid).reduce((sum, units) => sum + units, 0);
        const refused = what.costs.filter((_, i) => !answers[i]?.valid);
        model.remaining -= spent;
        expect(model.remaining).toBeGreaterThanOrEqual(0);
        // What was refused was more than there was left in the end.
        for (const units of refused) expect(units).toBeGreaterThan(model.remaining);
        break;
      }
      case 'change':
        model.change(what.operation, what.amount);
        expect((await change(path(), what.operation, what.amount)).status).toBe(200);
        break;
      case 'refill': {
        model.refill(what.amount);
        const refill = what.amount === null ? null : { amount: what.amount, interval: 'day' };
        expect((await api('PATCH', path(), { credits: { refill } })).status).toBe(200);
        break;
      }
      case 'rotate':
        if (hasGrace) break;
        lineage = [...lineage, (await rotateKey(tenant, newest.id, { gracePeriodSeconds: 31_536_000 })).key];
        hasGrace = true;
        break;
      case 'cancel':
      case 'complete': {
        if (!hasGrace) break;
        const { status } = await api('POST', `${key(tenant, lineage.at(-2)?.id ?? '')}/rotation/${what.type}`);
        expect(status).toBe(200);
        hasGrace = false;
        if (what.type === 'cancel') lineage = lineage.slice(0, -1);
        break;
      }
      case 'wait':
        advance(what.hours * 3_600_000);
    }
    model.see();
    expect(await balance(path())).toBe(model.remaining);
    expect(model.remaining).toBeGreaterThanOrEqual(0);
  };
  for (const what of history) await step(what);
  if (history.length % 4 === 0) await evict(tenant);
  expect(await balance(path())).toBe(model.remaining);
}

describe('random histories', () => {
  it.each([
    ['of a lineage of keys', false],
    ['of an owner', true],
  ])(
    '%s keep credits as they should be',
    async (_, isOwned) => {
      await fc.assert(
        fc.asyncProperty(steps, (history) => run(history, isOwned)),
        { numRuns: HISTORIES, endOnFailure: true },
      );
    },
    300_000,
  );
});
