/** The promise of leases in random histories; and that a checker which finds nothing would find something. */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { apply, SABOTAGES, type Sabotage } from './sabotages.ts';
import { CHANGES, type Event, KEYS, LEASE_MS, RATE_MAX, RATE_MIN, READS, World } from './world.ts';

const ISOLATES = 3;
/** A broken rule of the program shows within 300 histories, nearly always. Campaigns run more. */
const RUNS = inject('modelRuns') ?? 1500;
// Crowded at first, so that much happens during one lease, and when the object looks whether all leases have ended.
const at = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 * LEASE_MS }) },
  { weight: 1, arbitrary: fc.integer({ min: 2 * LEASE_MS, max: 4 * LEASE_MS }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 6 * LEASE_MS }) },
);
// Mostly quick, now and then slower than a lease lasts, so that answers arrive late and out of order.
const delay = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * LEASE_MS }) },
);
const isolate = fc.integer({ min: 0, max: ISOLATES - 1 });
const key = fc.integer({ min: 0, max: KEYS - 1 });
// Mostly what can follow one another on the same keys; the rest now and then.
const kind = fc.oneof(
  { weight: 4, arbitrary: fc.constant('rename' as const) },
  { weight: 4, arbitrary: fc.constantFrom('revoke' as const, 'revoke both' as const) },
  { weight: 3, arbitrary: fc.constantFrom(...CHANGES) },
);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      at,
      type: fc.constant('verify' as const),
      key,
      isolate,
      fresh: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
      there: delay,
      back: fc.oneof({ weight: 9, arbitrary: delay }, fc.constant(null)),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      at,
      type: fc.constant('change' as const),
      kind,
      key,
      there: delay,
      again: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, delay),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      at,
      type: fc.constant('read' as const),
      what: fc.oneof({ weight: 3, arbitrary: fc.constant('key' as const) }, fc.constantFrom(...READS)),
      key,
      there: delay,
    }),
  },
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
    arbitrary: fc.record({
      at,
      type: fc.constant('lease seconds' as const),
      seconds: fc.integer({ min: 0, max: 3 }),
      there: delay,
    }),
  },
);
const rate = fc.double({ min: RATE_MIN, max: RATE_MAX, noNaN: true });
const history = fc.record({
  rates: fc.array(rate, { minLength: ISOLATES + 1, maxLength: ISOLATES + 1 }),
  events: fc.array(event, { minLength: 1, maxLength: 60, size: 'max' }),
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Checks the property in an object that is there for this alone. */
function check(sabotage: Sabotage, numRuns: number) {
  const object = env.TENANTS.get(env.TENANTS.idFromName('leases')) as unknown as DurableObjectStub;
  return runInDurableObject(object, async (_, state) => {
    apply(sabotage);
    const keepsItsPromise = fc.asyncProperty(history, async ({ rates, events }) => {
      const world = new World(state, rates, sabotage);
      await world.run(events);
      expect(world.violation()).toBeNull();
    });
    return fc.check(keepsItsPromise, { numRuns, endOnFailure: sabotage !== null });
  });
}

describe('a change that has returned', () => {
  it('is seen by every verification that starts later, in any isolate', async () => {
    const result = await check(null, RUNS);
    expect(fc.defaultReportMessage(result)).toBeUndefined();
  });

  it.each(SABOTAGES)('would not be, with %s, and the checker tells', async (sabotage) => {
    const { failed, counterexample } = await check(sabotage, 20_000);
    expect(failed).toBe(true);
    expect(counterexample).not.toBeNull();
  });
});
