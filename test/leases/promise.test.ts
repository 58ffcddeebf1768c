/** The promise of leases, over random histories; and that a checker which finds nothing would find something. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Event, KEYS, LEASE_MS, RATE_MAX, RATE_MIN, SABOTAGES, type Sabotage, World } from './world.ts';

const ISOLATES = 3;
const at = fc.integer({ min: 0, max: 6 * LEASE_MS });
// Mostly quick, now and then slower than a lease lasts, so that answers arrive late and out of order.
const delay = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * LEASE_MS }) },
);
const isolate = fc.integer({ min: 0, max: ISOLATES - 1 });
const key = fc.integer({ min: 0, max: KEYS - 1 });
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ at, type: fc.constant('verify' as const), key, isolate, there: delay, back: delay }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      at,
      type: fc.constant('change' as const),
      key: fc.oneof({ weight: 3, arbitrary: key }, fc.constant('all' as const)),
      revoke: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
      there: delay,
    }),
  },
  { weight: 3, arbitrary: fc.record({ at, type: fc.constant('read' as const), key, there: delay }) },
  {
    weight: 1,
    arbitrary: fc.record({ at, type: fc.constant('restart' as const), offset: fc.integer({ min: -9000, max: 9000 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      at,
      type: fc.constant('clock back' as const),
      isolate,
      by: fc.integer({ min: 1, max: 5000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ at, type: fc.constant('lease seconds' as const), seconds: fc.integer({ min: 0, max: 3 }) }),
  },
);
const rate = fc.double({ min: RATE_MIN, max: RATE_MAX, noNaN: true });
const history = fc.record({
  rates: fc.array(rate, { minLength: ISOLATES + 1, maxLength: ISOLATES + 1 }),
  events: fc.array(event, { minLength: 1, maxLength: 60, size: 'max' }),
});

const keepsItsPromise = (sabotage: Sabotage) =>
  fc.property(history, ({ rates, events }) => {
    const world = new World(rates, sabotage);
    world.run(events);
    return world.violation() === null;
  });

describe('a change that has returned', () => {
  it('is seen by every verification that starts later, in any isolate', () => {
    fc.assert(keepsItsPromise(null), { numRuns: 3000 });
  });

  it.each(SABOTAGES)('would not be, with %s, and the checker tells', (sabotage) => {
    const { failed, counterexample } = fc.check(keepsItsPromise(sabotage), { numRuns: 20_000, endOnFailure: true });
    expect(failed).toBe(true);
    expect(counterexample).not.toBeNull();
  });
});
