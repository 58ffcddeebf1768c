/** Random histories of the world in which limits are counted. */
import fc from 'fast-check';
import { outlastMs } from '../../../domain/leases/lease.ts';
import type { Allowances, Limit } from '../../../domain/limits/limit.ts';
import type { ModelEvent, ModelSettings } from './world.ts';

export const LEASE_MS = 1000;
const HOLDERS = 3;
const ROOTS = 2;
/** Clocks that measure a lease alike within its margin. */
const RATE_MIN = 0.98;
const RATE_MAX = 1.02;

export const ALLOWED: Allowances = { windowDrift: 0.021, clockStepMs: 300, unknownLeaseMs: outlastMs(LEASE_MS) };

/** More often than leases end, so that they last. */
const RENEW_EVERY_MS = 600;

/** A Monday and the first of a month: all periods end at once. */
const BOUNDARY = Date.parse('2024-07-01T00:00Z');
const BOUNDARY_AFTER_MS = 3000;

const rateLimit: fc.Arbitrary<Limit> = fc.record({
  kind: fc.constant('rate' as const),
  limit: fc.constantFrom(1, 3, 10, 30, 100, 100),
  windowMs: fc.constantFrom(300, 1000, 1500, 4500),
});
const quota: fc.Arbitrary<Limit> = fc.record({
  kind: fc.constant('quota' as const),
  limit: fc.constantFrom(1, 10, 30, 100),
  period: fc.constantFrom('hour' as const, 'day' as const, 'month' as const),
});
/** What one limit may be changed to. */
const choices = fc.oneof(
  { weight: 2, arbitrary: fc.array(rateLimit, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.array(quota, { minLength: 1, maxLength: 2 }) },
);
const LARGE = { kind: 'rate' as const, limit: 40, windowMs: 1000 };
const limitsOfRoot = fc.array(choices, { minLength: 1, maxLength: 3 });

// Crowded at first, so that much happens within a lease and a window, and when the period ends.
const at = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 2 * LEASE_MS }) },
  { weight: 3, arbitrary: fc.integer({ min: BOUNDARY_AFTER_MS - 600, max: BOUNDARY_AFTER_MS + 600 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 8 * LEASE_MS }) },
);
// Mostly quick, now and then slower than a lease lasts, so that answers arrive late and out of order.
const delay = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * LEASE_MS }) },
);
const holder = fc.integer({ min: 0, max: HOLDERS - 1 });
const anyRoot = fc.integer({ min: 0, max: ROOTS - 1 });
const rarely = (one: number) => fc.nat(one).map((n) => n === 0);
const of = <const T extends ModelEvent['type']>(type: T) => fc.constant(type);

const burst = (
  root: fc.Arbitrary<number>,
  cost: fc.Arbitrary<number>,
  at: fc.Arbitrary<number>,
): fc.Arbitrary<ModelEvent[]> =>
  fc
    .record({
      at,
      type: of('verify'),
      root,
      successor: rarely(3),
      holder,
      cost,
      there: delay,
      back: delay,
      again: fc.option(delay, { freq: 6 }),
      lost: rarely(9),
      times: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 12 })),
      gap: fc.constantFrom(0, 5, 40, 150, 300),
    })
    .map(({ times, gap, ...verify }) =>
      Array.from({ length: times }, (_, i) => ({ ...verify, at: verify.at + i * gap })),
    );

/**
 * A holder whose tenant is in use by keys that have nothing to do with the limits. Now and then it gives back what it
 * holds.
 */
const RENEWALS = ['renew', 'renew', 'renew', 'renew', 'give back'] as const;

const renewals: fc.Arbitrary<ModelEvent[]> = fc
  .record({
    at,
    type: fc.constantFrom(...RENEWALS),
    holder,
    there: delay,
    back: delay,
    times: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ times, ...renew }) =>
    Array.from({ length: times }, (_, i) => ({ ...renew, at: renew.at + i * RENEW_EVERY_MS })),
  );

const other: fc.Arbitrary<ModelEvent> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      at,
      type: of('change'),
      root: fc.constantFrom(0, 0, 1),
      index: fc.constantFrom(0, 0, 1, 2),
      to: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ at, type: of('change all') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      at,
      type: of('restart'),
      ahead: fc.oneof(fc.constantFrom(0, ALLOWED.clockStepMs), fc.integer({ min: 0, max: ALLOWED.clockStepMs })),
      back: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 5000 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ at, type: of('close') }) },
  { weight: 1, arbitrary: fc.record({ at, type: of('lose holder'), holder }) },
  { weight: 1, arbitrary: fc.record({ at, type: of('clock back'), holder, by: fc.integer({ min: 1, max: 5000 }) }) },
);

const rate = fc.oneof(fc.constantFrom(RATE_MIN, RATE_MAX), fc.double({ min: RATE_MIN, max: RATE_MAX, noNaN: true }));
const historyOf = (
  limits: fc.Arbitrary<readonly (readonly Limit[])[]>,
  root: fc.Arbitrary<number>,
  cost: fc.Arbitrary<number>,
  when = at,
) =>
  fc.record({
    settings: fc.record<ModelSettings>({
      rates: fc.array(rate, { minLength: HOLDERS + 1, maxLength: HOLDERS + 1 }),
      limits: fc.array(limits, { minLength: ROOTS, maxLength: ROOTS }),
      allowances: fc.constant(ALLOWED),
      start: fc.constant(BOUNDARY - BOUNDARY_AFTER_MS),
      leaseMs: fc.constant(LEASE_MS),
      budgetsMax: fc.constantFrom(2, 100),
      memoryBytes: fc.constantFrom(1, 6000, 1_000_000),
    }),
    events: fc
      .tuple(
        fc.array(fc.oneof({ weight: 5, arbitrary: burst(root, cost, when) }, renewals), {
          minLength: 1,
          maxLength: 25,
          size: 'max',
        }),
        fc.array(other, { maxLength: 12, size: 'max' }),
      )
      .map(([bursts, others]) => [...bursts.flat(), ...others]),
  });

const smallAndLarge = fc.oneof(
  { weight: 5, arbitrary: fc.constant(1) },
  { weight: 3, arbitrary: fc.constantFrom(10, 20) },
);
const aroundBoundary = fc.integer({ min: BOUNDARY_AFTER_MS - 1000, max: BOUNDARY_AFTER_MS + 800 });

/** All that can happen; and one large limit that is used in small steps and in large ones, so that budgets matter. */
export const history = fc.oneof(
  historyOf(
    limitsOfRoot,
    fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, anyRoot),
    fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 6 })),
  ),
  historyOf(
    fc.tuple(
      fc.oneof(
        fc.tuple(fc.constantFrom<Limit>(...[1000, 1500].map((ms) => ({ ...LARGE, windowMs: ms })))),
        fc.tuple(fc.constant<Limit>(LARGE), fc.constant<Limit>({ ...LARGE, limit: 1 })),
      ),
    ),
    fc.constant(0),
    smallAndLarge,
  ),
  historyOf(
    fc.tuple(fc.tuple(fc.constant<Limit>({ kind: 'quota', limit: LARGE.limit, period: 'day' }))),
    fc.constant(0),
    smallAndLarge,
    aroundBoundary,
  ),
);
