/** The rules of limits in random histories; and for each rule, that a history tells when it is taken out. */
import fc from 'fast-check';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { history } from './model/histories.ts';
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

  it.each(Object.keys(CODE_SABOTAGES))('would be, with %s, and a history tells', (name) => {
    CODE_SABOTAGES[name]?.();
    expect(check(SABOTAGE_RUNS).result.failed).toBe(true);
  });

  it.each(WORLD_SABOTAGES)('would be, with %s, and a history tells', (sabotage) => {
    expect(check(SABOTAGE_RUNS, sabotage).result.failed).toBe(true);
  });
});
