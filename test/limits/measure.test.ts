/**
 * How much less than an exact log in one place is admitted, and how often the object is needed, when nothing goes
 * wrong: quick calls, no restarts, clocks that go right.
 */
import { describe, expect, it } from 'vitest';
import { ALLOWANCES, type Limit } from '../../domain/limits/limit.ts';
import { LEASE_MS } from './model/histories.ts';
import { type ModelEvent, World } from './model/world.ts';

const HOLDERS = 4;
const START = Date.parse('2024-07-10T12:00Z');

/** Pseudo-random numbers from 0 to 1 (Park and Miller's generator). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Arrivals with random gaps, at `load` times the limit, through all holders. */
function arrivals(limit: Limit & { windowMs: number }, load: number, durationMs: number, seed: number): ModelEvent[] {
  const random = randomNumbers(seed);
  const meanMs = limit.windowMs / (limit.limit * load);
  const events: ModelEvent[] = [];
  for (let at = 0; at < durationMs; at += -Math.log(random()) * meanMs) {
    const [holder, there, back] = [Math.floor(random() * HOLDERS), 3 + random() * 10, 3 + random() * 10];
    const rest = { root: 0, successor: random() < 0.3, cost: 1, again: null, lost: false };
    events.push({ at: Math.floor(at), type: 'verify', holder, there, back, ...rest });
  }
  // Other keys of the tenant are in use, as they are when leases are worth anything.
  for (let at = 0; at < durationMs; at += 700) {
    for (let holder = 0; holder < HOLDERS; holder += 1) events.push({ at, type: 'renew', holder, there: 5, back: 5 });
  }
  return events;
}

function run(limit: Limit & { windowMs: number }, load: number, durationMs: number, seed = 12_345) {
  const events = arrivals(limit, load, durationMs, seed);
  const world = new World({
    rates: Array.from({ length: HOLDERS + 1 }, () => 1),
    limits: [[[limit]]],
    allowances: ALLOWANCES,
    start: START,
    leaseMs: LEASE_MS,
    budgetsMax: 100,
    memoryBytes: 1_000_000,
  });
  world.run(events);
  expect(world.judge.excesses).toEqual([]);
  expect(world.rowBytes).toBeLessThan(400);
  const log: number[] = [];
  for (const { at, type } of events.toSorted((a, b) => a.at - b.at)) {
    if (type !== 'verify') continue;
    if ((log.at(-limit.limit) ?? Number.NEGATIVE_INFINITY) + limit.windowMs <= at) log.push(at);
  }
  return { admitted: world.admitted / log.length, calls: 1 - world.fromMemory / world.decided, decided: world.decided };
}

const rate = (limit: number, windowMs: number) => ({ kind: 'rate' as const, limit, windowMs });

describe('in well-behaved histories', () => {
  it.each([
    [2, 10_000],
    [4, 10_000],
    [5, 1000],
    [5, 10_000],
    [10, 1000],
    [10, 60_000],
    [60, 10_000],
    [100, 1000],
    [100, 10_000],
    [1000, 10_000],
    [1000, 60_000],
  ])('limit %i in %i ms: nearly all that an exact log admits', (limit, windowMs) => {
    for (const load of [1, 3]) {
      const { admitted } = run(rate(limit, windowMs), load, Math.max(5 * windowMs, 30_000));
      expect(admitted).toBeGreaterThan(limit < 5 ? 0.9 : 0.95);
    }
  });

  it.each([
    [1000, 1000],
    [1000, 10_000],
    [1000, 60_000],
  ])('limit %i in %i ms: few calls below half of it', (limit, windowMs) => {
    for (const load of [0.1, 0.45]) {
      const { admitted, calls } = run(rate(limit, windowMs), load, windowMs < 10_000 ? 30_000 : 300_000);
      expect(admitted).toBe(1);
      expect(calls).toBeLessThan(0.05);
    }
  });
});
