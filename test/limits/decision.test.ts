/** Several limits and credits of one verification: all or nothing. */
import { describe, expect, it } from 'vitest';
import { Counter } from '../../domain/limits/counter.ts';
import { newCredits } from '../../domain/limits/credits.ts';
import { decide } from '../../domain/limits/decision.ts';
import { ALLOWANCES, type Limit } from '../../domain/limits/limit.ts';

const NOW = Date.parse('2025-01-15T12:00Z');
const counterOf = (limit: Limit) => Counter.fresh(limit, ALLOWANCES);
const charge = (name: string, counter: Counter, cost = 1) => ({ name, counter, cost, write: () => {} });
const rate = (limit: number) => counterOf({ kind: 'rate', limit, windowMs: 60_000 });
const quota = (limit: number) => counterOf({ kind: 'quota', limit, period: 'day' });

describe('a verification by several limits', () => {
  it('charges all of them', () => {
    const [perMinute, perDay] = [rate(10), quota(100)];
    const { refusal, limits, credits } = decide(
      [charge('minute', perMinute, 2), charge('day', perDay, 5)],
      { credits: newCredits(50, null, NOW), cost: 3 },
      NOW,
    );
    expect(refusal).toBeNull();
    expect(limits.map(({ name, remaining }) => [name, remaining])).toEqual([
      ['minute', 8],
      ['day', 95],
    ]);
    expect(credits?.remaining).toBe(47);
  });

  it('charges none for what one refuses', () => {
    const [perMinute, perDay] = [rate(10), quota(3)];
    const credits = newCredits(50, null, NOW);
    const decided = decide([charge('minute', perMinute, 5), charge('day', perDay, 5)], { credits, cost: 5 }, NOW);
    expect(decided.refusal).toBe('QUOTA_EXCEEDED');
    expect(decided.credits).toBe(credits);
    expect([perMinute.remaining(NOW), perDay.remaining(NOW)]).toEqual([10, 3]);
    expect(decided.limits[1]).toMatchObject({ name: 'day', remaining: 3, retryAfterMs: null });
    expect(decided.limits[0]).not.toHaveProperty('retryAfterMs');
  });

  it('charges no limit for what the credits refuse', () => {
    const perMinute = rate(10);
    const credits = newCredits(5, null, NOW);
    const decided = decide([charge('minute', perMinute)], { credits, cost: 15 }, NOW);
    expect(decided).toMatchObject({ refusal: 'INSUFFICIENT_CREDITS', credits: { remaining: 5 } });
    expect(perMinute.remaining(NOW)).toBe(10);
  });

  it('names the rate limit first, then the quota', () => {
    const all = [charge('day', quota(0)), charge('minute', rate(0))];
    expect(decide(all, { credits: newCredits(0, null, NOW), cost: 1 }, NOW).refusal).toBe('RATE_LIMITED');
  });

  it('sums what is asked of one counter under two names', () => {
    const counter = rate(3);
    expect(decide([charge('a', counter, 2), charge('b', counter, 2)], null, NOW).refusal).toBe('RATE_LIMITED');
    expect(counter.remaining(NOW)).toBe(3);
  });

  it('asks without spending at cost 0, however much was used', () => {
    const counter = rate(3);
    decide([charge('minute', counter, 3)], null, NOW);
    const asked = decide([charge('minute', counter, 0)], { credits: newCredits(0, null, NOW), cost: 0 }, NOW);
    expect(asked).toMatchObject({ refusal: null, limits: [{ remaining: 0 }] });
  });
});
