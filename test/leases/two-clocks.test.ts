/** The time by which clients count: never less than what has passed, whatever one of two clocks does. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TwoClocks } from '../../domain/leases/two-clocks.ts';

/** What happens between two looks: time passes, and one of the clocks may miss or be given some. */
const step = fc.record({
  ms: fc.oneof(fc.double({ min: 0, max: 5, noNaN: true }), fc.double({ min: 0, max: 20_000, noNaN: true })),
  asleepMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.double({ min: 0, max: 60_000, noNaN: true })),
  wallSetBy: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.double({ min: -30_000, max: 30_000, noNaN: true })),
  slewed: fc.double({ min: -0.0005, max: 0.0005, noNaN: true }),
});

describe('of two clocks', () => {
  it('the time never goes back, and misses no more than the grain, unless a step back was seen', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 50 }), (steps) => {
        let [t, monotonic, wall] = [0, 1000, 5_000_000];
        const clocks = new TwoClocks(monotonic, wall);
        let [last, sinceT, sinceNow] = [clocks.look(monotonic, wall), 0, clocks.look(monotonic, wall)];
        for (const { ms, asleepMs, wallSetBy, slewed } of steps) {
          // A machine whose wall clock is set back while it sleeps shows nothing of it: the documentation says so.
          const setBy = asleepMs > 0 ? Math.max(wallSetBy, 0) : wallSetBy;
          t += ms + asleepMs;
          monotonic += ms;
          wall += ms * (1 + slewed) + asleepMs + setBy;
          const before = clocks.timesSetBack;
          const now = clocks.look(monotonic, Math.floor(wall));
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
          if (clocks.timesSetBack > before) [sinceT, sinceNow] = [t, now];
          expect(now - sinceNow).toBeGreaterThanOrEqual((t - sinceT) * 0.999 - 25);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('a wall clock that is read in coarse steps adds nothing, and no drop', () => {
    const clocks = new TwoClocks(0, 1_000_000);
    let now = 0;
    for (let monotonic = 0; monotonic <= 100_000; monotonic += 0.7) {
      now = clocks.look(monotonic, 1_000_000 + Math.floor(monotonic / 16) * 16);
    }
    expect(clocks.timesSetBack).toBe(0);
    expect(now - 1_000_000).toBeLessThan(100_000 * 1.001);
  });

  it.each([
    ['a step back', -100, 1],
    ['a step forward', 5000, 0],
  ])('%s is told', (_, by, times) => {
    const clocks = new TwoClocks(0, 1_000_000);
    expect(clocks.look(1000, 1_001_000 + by)).toBe(1_001_000 + Math.max(by, 0));
    expect(clocks.timesSetBack).toBe(times);
  });
});
