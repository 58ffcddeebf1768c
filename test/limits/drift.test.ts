/** The pads for clocks that drift. Random histories hardly ever meet the last milliseconds, so these are directed. */
import { afterEach, describe, expect, it } from 'vitest';
import { inlastMs } from '../../domain/limits/budget.ts';
import { BudgetGranter } from '../../domain/limits/budget-granter.ts';
import type { Allowances, Limit } from '../../domain/limits/limit.ts';
import { ALLOWED, LEASE_MS } from './model/histories.ts';
import { replace, restore } from './model/sabotages.ts';
import { type ModelEvent, World } from './model/world.ts';

const FAST = 1.02;
const SLOW = 0.98;
const START = Date.parse('2024-07-10T12:00Z');

afterEach(restore);

function run(limit: Limit, rates: readonly number[], allowances: Allowances, events: readonly ModelEvent[]): World {
  const settings = { limits: [[[limit]]], start: START, leaseMs: LEASE_MS, budgetsMax: 10, memoryBytes: 1_000_000 };
  const world = new World({ ...settings, rates, allowances });
  world.run(events);
  return world;
}

function verify(at: number, holder = 0, lost = false): ModelEvent {
  const call = { there: 0, back: 0, again: null, lost };
  return { at, type: 'verify', root: 0, successor: false, holder, cost: 1, ...call };
}

describe('a window measured by a clock that is fast', () => {
  // The object sees a window of 5 s end after 4,902 ms.
  const limit: Limit = { kind: 'rate', limit: 1, windowMs: 5000 };
  const events = Array.from({ length: 400 }, (_, i) => verify(4800 + i));

  it('is long enough, with the pad', () => {
    const { judge, admitted } = run(limit, [FAST, 1], ALLOWED, [verify(0), ...events]);
    expect(judge.excesses).toEqual([]);
    expect(admitted).toBe(2);
  });

  it('is too short without it, and the judge tells', () => {
    const { judge } = run(limit, [FAST, 1], { ...ALLOWED, windowDrift: 0 }, [verify(0), ...events]);
    expect(judge.excesses).not.toEqual([]);
  });
});

describe('a budget measured by a slow holder and a fast object', () => {
  // The holder believes that its lease lasts for 1,020 ms of true time, and the object that it lasts for 980 ms.
  const limit: Limit = { kind: 'rate', limit: 10, windowMs: 2000 };
  const spentLast = [verify(0), verify(1), verify(1020)];
  // Another holder uses all that is there, as soon as the object lets it.
  const hammered = Array.from({ length: 4000 }, (_, i) => verify(100 + i, 1));

  it('counts for long enough, with the margin', () => {
    const { judge, admittedFromMemory } = run(limit, [FAST, SLOW, 1], ALLOWED, [...spentLast, ...hammered]);
    expect(judge.excesses).toEqual([]);
    expect(admittedFromMemory).toBeGreaterThan(0);
  });

  it('counts too short without it, and the judge tells', () => {
    const { take } = BudgetGranter.prototype;
    replace(BudgetGranter.prototype, 'take', function (this: BudgetGranter, call, counterOf, leaseMs, now) {
      return take.call(this, call, counterOf, inlastMs(leaseMs), now);
    });
    const { judge } = run(limit, [FAST, SLOW, 1], ALLOWED, [...spentLast, ...hammered]);
    expect(judge.excesses).not.toEqual([]);
  });
});

describe('a clock that is set back into the period before', () => {
  it('does not free units that a holder was lent then, when the period begins once more', () => {
    const limit: Limit = { kind: 'quota', limit: 10, period: 'day' };
    const beforeMidnight = Date.parse('2024-07-10T23:59:59Z');
    const settings = { limits: [[[limit]]], start: beforeMidnight, leaseMs: LEASE_MS, budgetsMax: 10 };
    const world = new World({ ...settings, memoryBytes: 1_000_000, rates: [1, 1, 1], allowances: ALLOWED });
    world.run([
      verify(1010, 1),
      { at: 1020, type: 'restart', ahead: 0, back: 2000 },
      ...[1030, 1040, 1050, 1060, 1070].map((at) => verify(at)),
      ...Array.from({ length: 15 }, (_, i) => verify(3100 + i, 1)),
    ]);
    expect(world.admittedFromMemory).toBeGreaterThan(0);
    expect(world.judge.excesses).toEqual([]);
    expect(world.judge.admitted).toBeLessThanOrEqual(10);
  });
});
