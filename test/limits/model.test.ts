/** The rules of limits in random histories; and for each rule, that a history tells when it is taken out. */
import fc from 'fast-check';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { ALLOWED, history, LEASE_MS } from './model/histories.ts';
import { CODE_SABOTAGES, keepOldRecords, restore } from './model/sabotages.ts';
import { WORLD_SABOTAGES, World, type WorldSabotage } from './model/world.ts';

const RUNS = inject('modelRuns') ?? 3000;
/** A sabotage is noticed in some hundreds or thousands. */
const SABOTAGE_RUNS = 50_000;

/** Runs histories until one admits too much. Returns that one, and what the verifications needed. */
function check(numRuns: number, sabotage: WorldSabotage = null) {
  let [decided, fromMemory, admitted, admittedFromMemory] = [0, 0, 0, 0];
  const neverMore = fc.property(history, ({ settings, events }) => {
    const world = new World(settings, sabotage);
    world.run(events);
    decided += world.decided;
    fromMemory += world.fromMemory;
    admitted += world.admitted;
    admittedFromMemory += world.admittedFromMemory;
    expect(world.judge.excesses).toEqual([]);
  });
  const result = fc.check(neverMore, { numRuns, endOnFailure: numRuns === SABOTAGE_RUNS });
  return { result, decided, fromMemory, admitted, admittedFromMemory };
}

/** Too rare in random histories. */
const EXTENDED = 'a budget that is extended, with an old record of its key, after its limit was changed';

/** A holder gets units, the limit is lowered, the lease goes on, and then the holder spends what it has. */
function excessesAfterLowering() {
  const large = { kind: 'rate', limit: 40, windowMs: 1000 } as const;
  const settings = {
    rates: [1, 1],
    limits: [[[large, { ...large, limit: 0 }]]],
    allowances: ALLOWED,
    start: Date.parse('2024-07-01T00:00Z'),
    leaseMs: LEASE_MS,
    budgetsMax: 100,
    memoryBytes: 1_000_000,
  };
  const quick = { holder: 0, there: 1, back: 1 };
  const verify = { ...quick, type: 'verify', root: 0, successor: false, cost: 1, again: null, lost: false } as const;
  const renew = { ...quick, type: 'renew' } as const;
  const world = new World(settings);
  world.run([
    ...Array.from({ length: 10 }, (_, i) => ({ ...verify, at: 40 * i })),
    { type: 'change', root: 0, index: 0, to: 1, at: 600 },
    ...[700, 1300, 1900, 2500].map((at) => ({ ...renew, at })),
    ...[3000, 3010, 3020].map((at) => ({ ...verify, at })),
  ]);
  return world.judge.excesses;
}

afterEach(() => {
  restore();
});

describe('a limit', () => {
  it('is never exceeded in any interval, whatever happens to calls, holders and the object', () => {
    const { result, ...did } = check(RUNS);
    expect(fc.defaultReportMessage(result)).toBeUndefined();
    expect(did.admittedFromMemory).toBeGreaterThan(RUNS / 4);
  });

  it('is not exceeded by holders that keep old records of keys: budgets of before are recalled', () => {
    keepOldRecords();
    expect(fc.defaultReportMessage(check(RUNS).result)).toBeUndefined();
  });

  it('would be, with a budget that is extended after its limit was changed: a history made for that tells', () => {
    keepOldRecords();
    expect(excessesAfterLowering()).toEqual([]);
    CODE_SABOTAGES[EXTENDED]?.();
    expect(excessesAfterLowering()).not.toEqual([]);
  });

  it.each(Object.keys(CODE_SABOTAGES).filter((name) => name !== EXTENDED))(
    'would be, with %s, and a history tells',
    (name) => {
      CODE_SABOTAGES[name]?.();
      expect(check(SABOTAGE_RUNS).result.failed).toBe(true);
    },
  );

  it.each(WORLD_SABOTAGES)('would be, with %s, and a history tells', (sabotage) => {
    expect(check(SABOTAGE_RUNS, sabotage).result.failed).toBe(true);
  });
});
