/** Counting in a sliding window, against an exact log. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUCKETS_MAX, SlidingWindow } from '../../domain/limits/sliding-window.ts';

const MINUTE_MS = 60_000;

/** Admits arrivals by a window, and returns the times of those admitted. */
function admitted(window: SlidingWindow, limit: number, arrivals: readonly number[]): number[] {
  return arrivals.filter((at) => {
    if (window.used(at) >= limit) return false;
    window.add(1, at, limit);
    return true;
  });
}

/** What an exact log of the same window admits. */
function admittedByLog(windowMs: number, limit: number, arrivals: readonly number[]): number[] {
  const log: number[] = [];
  for (const at of arrivals) if ((log.at(-limit) ?? Number.NEGATIVE_INFINITY) + windowMs < at) log.push(at);
  return log;
}

/** The most units in any interval of this length, open at its start. */
function mostIn(windowMs: number, times: readonly number[]): number {
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last += 1) {
    while ((times[first] ?? 0) + windowMs <= (times[last] ?? 0)) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

const arrivals = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 4000 })), {
    minLength: 50,
    maxLength: 600,
    size: 'max',
  })
  .map((gaps) => {
    let now = 1_000_000;
    return gaps.map((gap) => {
      now += gap;
      return now;
    });
  });

describe('a sliding window', () => {
  it('never admits more than the limit in any interval', () => {
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 20_000 }),
        (times, limit, ms) => {
          expect(mostIn(ms, admitted(new SlidingWindow(ms, 0), limit, times))).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is an exact log up to a limit of 60', () => {
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 60 }), (times, limit) => {
        expect(admitted(new SlidingWindow(3000, 0), limit, times)).toEqual(admittedByLog(3000, limit, times));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([100, 1000, 20_000])('admits at least 97 %% of what an exact log admits at limit %i', (limit) => {
    for (const load of [1.1, 1.5, 3]) {
      const times = Array.from({ length: 5 * limit * load }, (_, i) => Math.floor((i * MINUTE_MS) / (limit * load)));
      const most = admittedByLog(MINUTE_MS, limit, times).length;
      expect(admitted(new SlidingWindow(MINUTE_MS, 0.001), limit, times).length).toBeGreaterThan(0.97 * most);
    }
  });

  it('keeps a bounded number of buckets, whatever is changed', () => {
    const limits = fc.array(
      fc.record({ windowMs: fc.integer({ min: 10, max: 100_000 }), limit: fc.integer({ min: 1, max: 5000 }) }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(arrivals, limits, (times, changes) => {
        const window = new SlidingWindow(1000, 0.001);
        times.forEach((at, i) => {
          const { windowMs, limit } = changes[i % changes.length] ?? { windowMs: 1000, limit: 10 };
          if (i % 20 === 0) window.resize(windowMs);
          window.add(1, at, limit);
          expect(window.buckets.length).toBeLessThanOrEqual(BUCKETS_MAX);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('tells when units leave: a window and the drift after the last of their bucket', () => {
    const window = new SlidingWindow(1000, 0.01);
    window.add(5, 100, 600);
    window.add(4, 110, 600);
    expect([...window.leaving()]).toEqual([{ at: 1121, units: 9 }]);
    expect(window.used(1120)).toBe(9);
    expect(window.used(1121)).toBe(0);
  });

  it('counts what was used before its window was made longer', () => {
    const window = new SlidingWindow(1000, 0);
    window.add(3, 100, 10);
    window.resize(5000);
    expect(window.used(4000)).toBe(3);
    expect(window.used(5101)).toBe(0);
  });

  it('forgets nothing when it is made short and long again', () => {
    const window = new SlidingWindow(60_000, 0);
    window.add(3, 100, 10);
    window.resize(1000);
    expect(window.used(30_000)).toBe(0);
    window.add(2, 30_000, 10);
    window.resize(60_000);
    expect(window.used(30_000)).toBe(5);
  });
});
