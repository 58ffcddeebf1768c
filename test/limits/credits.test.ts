/** Balances of credits, and their refills. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeBalance, changeRefill, newCredits, type Refill, refilled, spend } from '../../domain/limits/credits.ts';

const at = (time: string) => Date.parse(`${time}Z`);
const NOW = at('2025-01-15T12:00');
const DAILY: Refill = { amount: 100, interval: 'day' };

describe('credits', () => {
  it('are not spent beyond zero: 5 credits and a cost of 15 is refused, and 5 remain', () => {
    const credits = newCredits(5, null, NOW);
    expect(spend(credits, 15, NOW)).toBeNull();
    expect(spend(credits, 5, NOW)?.remaining).toBe(0);
  });

  it('grant a cost of 0 at a balance of 0', () => {
    expect(spend(newCredits(0, null, NOW), 0, NOW)?.remaining).toBe(0);
  });

  it('can be set, incremented, and decremented down to zero', () => {
    const credits = newCredits(5, null, NOW);
    expect(changeBalance(credits, { type: 'set', amount: 9 }, NOW).remaining).toBe(9);
    expect(changeBalance(credits, { type: 'increment', amount: 9 }, NOW).remaining).toBe(14);
    expect(changeBalance(credits, { type: 'decrement', amount: 9 }, NOW).remaining).toBe(0);
  });

  it('are filled up each day, without adding to what is left', () => {
    const credits = newCredits(30, DAILY, NOW);
    expect(refilled(credits, at('2025-01-15T23:59:59.999'))).toBe(credits);
    expect(refilled(credits, at('2025-01-16T00:00')).remaining).toBe(100);
  });

  it('are filled up once for refills that nobody saw', () => {
    const late = refilled(newCredits(30, DAILY, NOW), at('2025-03-03T08:00'));
    expect(late).toEqual({ remaining: 100, refill: DAILY, nextRefillAt: at('2025-03-04T00:00') });
  });

  it('keep what was bought beyond the amount of a refill', () => {
    expect(refilled(newCredits(5000, DAILY, NOW), at('2025-01-16T00:00')).remaining).toBe(5000);
  });

  it('are refilled on the 31st, or on the last day of shorter months', () => {
    const credits = newCredits(0, { amount: 10, interval: 'month', day: 31 }, at('2025-01-31T00:00'));
    const dues: (number | null)[] = [];
    for (let month = credits; dues.length < 4; month = refilled(month, month.nextRefillAt ?? 0)) {
      dues.push(month.nextRefillAt);
    }
    expect(dues).toEqual(['2025-02-28', '2025-03-31', '2025-04-30', '2025-05-31'].map((day) => at(`${day}T00:00`)));
  });

  it('are not refilled twice when the clock goes back', () => {
    const spent = spend(refilled(newCredits(0, DAILY, NOW), at('2025-01-16T00:00')), 100, at('2025-01-16T00:00'));
    expect(spent && refilled(spent, at('2025-01-15T23:59'))).toBe(spent);
    expect(spent && refilled(spent, at('2025-01-16T00:01')).remaining).toBe(0);
  });

  it('get a refill that was due before the refill is changed', () => {
    const changed = changeRefill(newCredits(0, DAILY, NOW), { amount: 7, interval: 'day' }, at('2025-01-16T01:00'));
    expect(changed.remaining).toBe(100);
    expect(refilled(changed, at('2025-01-17T00:00')).remaining).toBe(100);
  });

  it('are never below zero, and never more is spent than there was', () => {
    const step = fc.record({
      hours: fc.integer({ min: 0, max: 30 }),
      cost: fc.integer({ min: 0, max: 150 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        let now = NOW;
        let credits = newCredits(50, DAILY, now);
        let spent = 0;
        let filled = 50;
        for (const { hours, cost } of steps) {
          now += hours * 3_600_000;
          const present = refilled(credits, now);
          filled += present.remaining - credits.remaining;
          const after = spend(credits, cost, now);
          if (after !== null) spent += cost;
          credits = after ?? present;
          expect(credits.remaining).toBeGreaterThanOrEqual(0);
          expect(spent + credits.remaining).toBe(filled);
        }
      }),
    );
  });
});
